import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core import results as under_test
from relay.core.job import Items, Outcome
from relay.core.results import ENVELOPE_BYTES, JOB_STATUS_BYTES_MIN, Bound, Results, entry_failed, fit, total_of
from relay.core.zendesk import STATUS_WORD_MAX


def judge(job_status):
    return under_test.judge(job_status, orjson.dumps(job_status))


SUCCEEDED, PARTIALLY, FAILED, UNKNOWN = Outcome


def created(index):
    return {"index": index, "id": 1_000 + index, "account_id": 7}


def error(index):
    return {"index": index, "error": "TicketCreateFail", "details": "Subject: cannot be blank"}


def ended(results, total=None, word="completed"):
    return {"id": "V3-1", "status": word, "total": total, "progress": total, "results": results}


def items(total, succeeded, failed):
    return Items(total=total, succeeded=succeeded, failed=failed)


GOOD_ENTRIES = [
    created(0),
    {"id": 5, "status": "Created"},
    {"action": "update", "id": 5, "status": "Updated", "success": True},
    {"action": "delete", "id": 5, "status": "Deleted", "success": True},
    {"id": 5, "external_id": "x", "email": "a@b.test", "title": "t"},
    {"id": 5, "errors": [], "error": None},
]
BAD_ENTRIES = [
    error(0),
    {"index": 0, "id": 5, "error": "RecordInvalid", "details": "…"},
    {"id": 5, "errors": "Email is taken"},
    {"id": 5, "errors": [{"description": "taken"}]},
    {"action": "update", "id": 5, "status": "Updated", "success": False},
    {"action": "update", "id": 5, "status": "Failed"},
    {"id": 5, "status": "error", "success": True},
]
UNREADABLE_ENTRIES = [None, 5, "Created", [], ["error"], {}, {"id": 5, "success": None}, {"id": 5, "success": "yes"}]


class TestJudge:
    @pytest.mark.parametrize(("entries", "failed"), [(GOOD_ENTRIES, False), (BAD_ENTRIES, True)])
    def test_each_recorded_shape_of_an_entry_says_whether_it_went_well(self, entries, failed):
        assert [entry_failed(entry) for entry in entries] == [failed] * len(entries)

    @pytest.mark.parametrize("entry", UNREADABLE_ENTRIES)
    def test_an_entry_that_says_nothing_is_neither(self, entry):
        assert entry_failed(entry) is None
        assert judge(ended([created(0), entry], 2)) == (UNKNOWN, items(2, 1, 0))

    def test_completed_is_not_success(self):
        """Recorded: a completed 100/100 job with 99 errors in it."""
        results = [error(index) for index in range(99)]
        assert judge(ended([*results, created(99)], 100)) == (PARTIALLY, items(100, 1, 99))
        assert judge(ended(results, 100)) == (PARTIALLY, items(100, 1, 99))
        assert judge(ended([*results, error(99)], 100)) == (FAILED, items(100, 0, 100))

    @pytest.mark.parametrize(
        ("results", "total", "verdict"),
        [
            ([created(0), created(1)], 2, (SUCCEEDED, items(2, 2, 0))),
            ([created(0), error(1)], 2, (PARTIALLY, items(2, 1, 1))),
            ([error(0)], 1, (FAILED, items(1, 0, 1))),
            # only errors are listed, or nothing at all
            ([error(3)], 10, (PARTIALLY, items(10, 9, 1))),
            ([], 10, (SUCCEEDED, items(10, 10, 0))),
            ([], 0, (SUCCEEDED, items(0, 0, 0))),
            # more entries than the total says, or no total
            ([created(0), created(1)], 1, (SUCCEEDED, items(2, 2, 0))),
            ([created(0), error(1)], None, (PARTIALLY, items(2, 1, 1))),
            ([error(0), None], 2, (FAILED, items(2, 0, 1))),
            # permanent deletion: no numbers at all
            ({"success": True}, None, (SUCCEEDED, items(None, None, 0))),
            ({"success": True}, 4, (SUCCEEDED, items(4, 4, 0))),
            ({"success": False}, None, (FAILED, items(None, None, None))),
            ({"error": "boom"}, 4, (FAILED, items(4, None, 4))),
            ({"success": True, "errors": ["boom"]}, 4, (FAILED, items(4, None, 4))),
            # nobody can tell
            ({"success": None}, 4, (UNKNOWN, items(4, None, None))),
            ({"tickets": 4}, 4, (UNKNOWN, items(4, None, None))),
            ({}, 4, (UNKNOWN, items(4, None, None))),
            (None, 4, (UNKNOWN, items(4, None, None))),
            (None, None, (UNKNOWN, items(None, None, None))),
            ("done", 4, (UNKNOWN, items(4, None, None))),
        ],
    )
    def test_outcome_and_counts_of_a_completed_job(self, results, total, verdict):
        assert judge(ended(results, total)) == verdict

    @given(st.lists(st.sampled_from([created(0), {"id": 5}, *GOOD_ENTRIES, *BAD_ENTRIES, *UNREADABLE_ENTRIES])))
    def test_entries_count_together_as_they_do_one_by_one(self, entries):
        verdicts = [entry_failed(entry) for entry in entries]
        _, counted = judge(ended(entries, None, "failed"))
        assert counted == items(len(entries), verdicts.count(False), verdicts.count(True))

    @pytest.mark.parametrize(
        "odd",
        [
            {"message": 'no "error" and no "success"'},
            {"id": '"status"'},
            {"meta": {"status": "failed", "error": "boom"}},
            {"error": "boom"},
        ],
    )
    def test_words_that_stand_elsewhere_in_the_object_say_nothing_of_its_entries(self, odd):
        assert judge(ended([created(0), created(1)], 2) | odd) == (SUCCEEDED, items(2, 2, 0))

    @pytest.mark.parametrize("word", ["failed", "killed"])
    @pytest.mark.parametrize("results", [None, [], [created(0)], [error(0)], {"success": True}, "?"])
    def test_a_job_that_failed_or_was_killed_failed_whatever_its_results(self, word, results):
        assert judge(ended(results, 3, word))[0] is FAILED

    def test_what_a_failed_job_did_before_is_counted_and_the_rest_is_not_taken_for_done(self):
        assert judge(ended([created(0), error(1)], 10, "failed"))[1] == items(10, 1, 1)

    @pytest.mark.parametrize("total", [None, -1, 1.5, True, "3", [3]])
    def test_a_total_that_is_no_number_of_items_counts_as_not_told(self, total):
        assert total_of({"total": total}) is None
        assert judge(ended(None, total)) == (UNKNOWN, Items())

    @given(st.lists(st.sampled_from([created(0), error(0), None]), max_size=5), st.none() | st.integers(0, 9))
    def test_the_counts_never_contradict_each_other_or_the_outcome(self, results, total):
        outcome, counts = judge(ended(results, total))
        assert counts.succeeded + counts.failed <= counts.total
        assert (outcome is FAILED) == (counts.failed > 0 and counts.succeeded == 0)
        assert (outcome is PARTIALLY) == (counts.failed > 0 and counts.succeeded > 0)
        assert (outcome is SUCCEEDED) == (counts.succeeded == counts.total)


def cut(job_status, *, results=Results.FULL, max_bytes=65_536, metadata=b"{}"):
    kept, truncated = fit(orjson.dumps(job_status), metadata, Bound(results=results, max_bytes=max_bytes))
    return orjson.loads(kept), truncated


MIXED = ended([created(0), error(1), None], 3)


class TestFitBySetting:
    def test_full_keeps_the_object_as_it_is(self):
        assert cut(MIXED) == (MIXED, False)

    def test_errors_keeps_what_went_wrong_or_cannot_be_read(self):
        assert cut(MIXED, results=Results.ERRORS) == (MIXED | {"results": [error(1), None]}, False)

    def test_none_keeps_no_results(self):
        assert cut(MIXED, results=Results.NONE) == (MIXED | {"results": None}, False)

    @pytest.mark.parametrize(
        ("results", "kept"),
        [
            ({"success": True}, None),
            ({"success": False}, {"success": False}),
            ({"error": "x"}, {"error": "x"}),
            ("?", None),
        ],
    )
    def test_of_an_object_errors_keeps_a_complaint(self, results, kept):
        assert cut(ended(results), results=Results.ERRORS)[0]["results"] == kept

    @pytest.mark.parametrize("setting", Results)
    @pytest.mark.parametrize("fields", [{}, {"results": None}, {"results": []}])
    def test_without_results_there_is_nothing_to_leave_out(self, setting, fields):
        job_status = {"id": "V3-1", "status": "working", **fields}
        assert cut(job_status, results=setting) == (job_status, False)


class TestFitBySize:
    def room(self, job_status, *, spare):
        """A bound that leaves so many bytes more than this object needs."""
        return len(orjson.dumps(job_status)) + len(b"{}") + ENVELOPE_BYTES + spare

    def test_what_just_fits_is_not_cut(self):
        large = ended([created(index) for index in range(50)], 50)
        assert cut(large, max_bytes=self.room(large, spare=0)) == (large, False)
        assert cut(large, max_bytes=self.room(large, spare=-1))[1]

    def test_first_the_successes_go_then_the_errors_then_all_but_the_essentials(self):
        errors = [error(index) for index in range(20)]
        whole = ended([*[created(index) for index in range(50)], *errors], 70) | {"note": "n" * 1_000}
        with_errors, without = whole | {"results": errors}, whole | {"results": None}
        assert cut(whole, max_bytes=self.room(with_errors, spare=0)) == (with_errors, True)
        assert cut(whole, max_bytes=self.room(with_errors, spare=-1)) == (without, True)
        essentials, truncated = cut(whole, max_bytes=self.room(without, spare=-1))
        assert truncated
        assert "note" not in essentials
        assert {name: essentials[name] for name in ("id", "status", "total", "results")} == {
            "id": "V3-1",
            "status": "completed",
            "total": 70,
            "results": None,
        }

    def test_metadata_takes_its_part_of_the_bound(self):
        large = ended([created(index) for index in range(50)], 50)
        bound = self.room(large, spare=0)
        assert not cut(large, max_bytes=bound)[1]
        assert cut(large, max_bytes=bound, metadata=b'{"a":1}')[1]

    def test_long_texts_are_cut_short_before_they_are_left_out(self):
        essentials, _ = cut(ended(None) | {"message": "m" * 90_000, "job_type": "Bulk Create Ticket"})
        assert essentials["message"] == "m" * 100
        assert essentials["job_type"] == "Bulk Create Ticket"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
LONG = st.text(min_size=80, max_size=300) | st.sampled_from(["\0" * 3_000, "🜚" * 3_000])
JOB_STATUSES = st.builds(
    dict.__or__,
    st.fixed_dictionaries(
        {
            "id": st.text("aZ9_-", min_size=1, max_size=128),
            "status": st.text(min_size=1, max_size=STATUS_WORD_MAX) | st.just("\0" * STATUS_WORD_MAX),
        }
    ),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("message", "url", "job_type"), LONG | ANYTHING)
        | dict.fromkeys(("total", "progress", "results", "other"), ANYTHING)
        | {"results": st.lists(st.sampled_from([created(0), error(1), None]), max_size=200)},
    ),
)


@given(JOB_STATUSES, st.integers(0, 20_000), st.sampled_from(Results), st.integers(1_024, 70_000))
def test_fit_never_exceeds_the_bound_and_keeps_id_and_status(job_status, metadata_size, results, max_bytes):
    """Save that a little is always left for the object, however long the metadata are."""
    kept, truncated = fit(orjson.dumps(job_status), b"m" * metadata_size, Bound(results=results, max_bytes=max_bytes))
    assert len(kept) <= max(max_bytes - metadata_size - ENVELOPE_BYTES, JOB_STATUS_BYTES_MIN)
    decoded = orjson.loads(kept)
    assert (decoded["id"], decoded["status"]) == (job_status["id"], job_status["status"])
    if not truncated:
        assert decoded | {"results": None} == orjson.loads(orjson.dumps(job_status)) | {"results": None}
