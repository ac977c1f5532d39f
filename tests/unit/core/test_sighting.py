import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.job import DELETED, EXPIRED, LOST, Items, Outcome
from relay.core.results import judge
from relay.core.sighting import Sighting, completed_at, sight

ENDED = {
    "id": "V3-1",
    "status": "completed",
    "total": 2,
    "message": "Completed at 2023-09-18 23:34:42 +0000",
    "results": [{"id": 5}, {"id": 6, "error": "boom"}],
}


def test_of_a_job_that_runs_there_is_no_outcome():
    job_status = {"id": "V3-1", "status": "working", "total": 7, "message": ENDED["message"], "results": [{"id": 5}]}
    assert sight(job_status) == Sighting(status="working", encoded=orjson.dumps(job_status), items=Items(total=7))


@pytest.mark.parametrize("word", ["completed", "failed", "killed"])
def test_of_one_that_has_ended_there_is_all_that_is_recorded_of_its_end(word):
    job_status = ENDED | {"status": word}
    outcome, items = judge(job_status, orjson.dumps(job_status))
    assert sight(job_status) == Sighting(
        status=word,
        encoded=orjson.dumps(job_status),
        items=items,
        outcome=outcome,
        completed_at="2023-09-18T23:34:42Z",
    )
    assert outcome is (Outcome.PARTIALLY_FAILED if word == "completed" else Outcome.FAILED)


@pytest.mark.parametrize("word", [EXPIRED, LOST, DELETED])
def test_a_word_of_ours_means_that_the_job_runs_and_the_object_keeps_it(word):
    sighting = sight({"id": "V3-1", "status": word})
    assert (sighting.status, sighting.outcome, orjson.loads(sighting.encoded)["status"]) == ("working", None, word)


def test_it_holds_no_more_memory_than_its_bytes():
    """What waits to be recorded would otherwise hold on to the buffer that it was written to."""
    encoded = orjson.dumps(ENDED)
    held = sight(ENDED, encoded).encoded
    assert held == encoded
    assert held is not encoded


class TestCompletedAt:
    @pytest.mark.parametrize(
        ("message", "moment"),
        [
            ("Completed at 2023-09-18 23:34:42 +0000", "2023-09-18T23:34:42Z"),
            ("Completed at 2018-03-08 06:07:49 +0000", "2018-03-08T06:07:49Z"),
            ("Completed at Fri Apr 13 02:51:53 +0000 2012", "2012-04-13T02:51:53Z"),
            ("Completed at Sun Apr  1 02:51:53 +0000 2012", "2012-04-01T02:51:53Z"),
            ("Failed at 2016-01-15 10:39:18 +0000", "2016-01-15T10:39:18Z"),
            ("Completed at 2023-12-31 23:30:00 -0130", "2024-01-01T01:00:00Z"),
            ("Completed at 2023-01-01 00:30:00 +01:00", "2022-12-31T23:30:00Z"),
            ("Completed at 0999-01-01 00:00:00 +0000", "0999-01-01T00:00:00Z"),
            ("Completed at 2023-13-18 23:34:42 +0000", None),
            ("Completed at 2023-02-30 23:34:42 +0000", None),
            ("Completed at 2023-09-18 24:34:42 +0000", None),
            ("Completed at 2023-09-18 23:34:42 +9999", None),
            ("Completed at 0001-01-01 00:00:00 +0100", None),
            ("Completed at 0000-01-01 00:00:00 +0000", None),
            ("Completed at Fri Foo 13 02:51:53 +0000 2012", None),
            ("Completed at ٢٠٢٣-09-18 23:34:42 +0000", None),
            ("Completed at 2023-09-18 23:34:42", None),
            ("Completed", None),
            ("", None),
            (None, None),
            (5, None),
            (["Completed at 2023-09-18 23:34:42 +0000"], None),
        ],
    )
    def test_both_date_styles_are_read_and_garbage_is_not(self, message, moment):
        assert completed_at(message) == moment

    @given(st.text() | st.from_regex(r"at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"))
    def test_it_raises_nothing(self, message):
        moment = completed_at(message)
        assert moment is None or len(moment) == len("2023-09-18T23:34:42Z")
