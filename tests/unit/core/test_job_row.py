"""A job survives its row, and bytes that are no row are refused."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.job import ROW_VERSION, Callback, Event, EventType, Items, Job, Outcome, decode, encode
from relay.errors import Reason, Undecipherable

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.none() | st.integers(0, 2**53)
times = st.floats(0, 1e11, allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(text, json_values, max_size=3).map(orjson.dumps)
events = st.builds(
    Event,
    type=st.sampled_from(EventType),
    sequence=st.integers(1, 2**40),
    detected_at=times,
    previous_status=st.none() | text,
    metadata=json_objects,
    job_status=st.none() | json_objects,
    reason=st.none() | st.sampled_from(Reason),
    position=st.integers(0, 2**53),
)
jobs = st.builds(
    Job,
    account=text,
    id=text,
    tracked_at=times,
    state=text,
    sequence=st.integers(0, 2**40),
    metadata=json_objects,
    traceparent=st.none() | text,
    job_status=st.none() | json_objects,
    results_truncated=st.booleans(),
    outcome=st.none() | st.sampled_from(Outcome),
    items=st.builds(Items, total=numbers, succeeded=numbers, failed=numbers),
    seen_at=st.none() | times,
    queued_at=st.none() | times,
    detected_at=st.none() | times,
    completed_at=st.none() | text,
    events=st.lists(events, max_size=3).map(tuple),
    callbacks=st.lists(st.builds(Callback, url=text, metadata=json_objects), max_size=3).map(tuple),
)


@given(jobs)
def test_a_job_comes_back_from_its_row(job):
    assert decode(encode(job)) == job


@given(jobs)
def test_a_row_is_text_without_control_characters(job):
    """The SQLite ledger joins rows with one."""
    assert not any(byte < 0x20 for byte in encode(job))


def test_what_events_and_callbacks_share_with_their_job_is_kept_once():
    """In the row and in memory, where there are very many of both."""
    status = orjson.dumps({"id": "1", "status": "working", "message": "m" * 500})
    event = Event(
        type=EventType.STARTED,
        sequence=1,
        detected_at=2.0,
        previous_status=None,
        metadata=b'{"order":7}',
        job_status=status,
    )
    job = Job(
        account="a",
        id="1",
        tracked_at=1.0,
        state="working",
        metadata=b'{"order":7}',
        job_status=status,
        events=(event,),
        callbacks=(Callback(url="https://a.example/", metadata=b'{"order":7}'),),
    )
    assert len(encode(job)) < 1.5 * len(status)
    again = decode(encode(job))
    assert again == job
    assert again.events[0].job_status is again.job_status
    assert again.events[0].metadata is again.callbacks[0].metadata is again.metadata


@given(st.binary() | json_values.map(orjson.dumps))
def test_other_bytes_are_refused(row):
    with pytest.raises(Undecipherable):
        decode(row)


@pytest.mark.parametrize(
    "change",
    [
        {"v": None},
        {"v": "1"},
        {"unknown": 1},
        {"items": [1]},
        {"outcome": "odd"},
        {"events": [[1]]},
        {"events": 1},
        {"callbacks": [["u"]]},
    ],
)
def test_a_row_with_a_broken_part_is_refused(change):
    row = orjson.loads(encode(Job(account="a", id="1", tracked_at=1.0)))
    with pytest.raises(Undecipherable, match="not a job row"):
        decode(orjson.dumps(row | change))


def test_a_row_of_a_newer_relay_says_so():
    with pytest.raises(Undecipherable, match="upgrade relay"):
        decode(orjson.dumps({"v": ROW_VERSION + 1, "account": "a", "id": "1", "tracked_at": 1.0}))
