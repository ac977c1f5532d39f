"""A job survives its row, and bytes that are no row are refused."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.job import EMPTY_METADATA, Callback, Event, EventType, Items, Job, Outcome
from relay.core.job_row import ROW_VERSION, decode, encode
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
    callbacks=st.lists(
        st.builds(Callback, url=text, metadata=json_objects, traceparent=st.none() | text), max_size=3
    ).map(tuple),
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


def test_a_callback_of_a_row_before_there_were_traces_has_none():
    job = Job(account="a", id="1", tracked_at=1.0, callbacks=(Callback(url="https://a.example/"),))
    row = orjson.loads(encode(job))
    row["callbacks"][0].pop()
    assert decode(orjson.dumps(row)) == job


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


@pytest.mark.parametrize("more", [{}, {"new": 1}])
def test_a_row_of_a_newer_relay_says_so(more):
    with pytest.raises(Undecipherable, match="upgrade relay"):
        decode(orjson.dumps({"v": ROW_VERSION + 1, "account": "a", "id": "1", "tracked_at": 1.0} | more))


def test_a_row_of_version_1_is_read():
    """Its events have no position."""
    row = (
        b'{"v":1,"account":"acme","id":"1","tracked_at":5.0,"state":"completed","sequence":2,"metadata":{"a":[1, 2]},'
        b'"job_status":{"id":"1"},"outcome":"succeeded","items":[2,2,0],"seen_at":6.0,"detected_at":9.0,'
        b'"events":[["zendesk.job.started",1,6.0,null,true,{"id":"0"},null],'
        b'["zendesk.job.completed",2,9.0,"working",{},null,"job_failed"]]}'
    )
    assert decode(row) == Job(
        account="acme",
        id="1",
        tracked_at=5.0,
        state="completed",
        sequence=2,
        metadata=b'{"a":[1, 2]}',
        job_status=b'{"id":"1"}',
        outcome=Outcome.SUCCEEDED,
        items=Items(total=2, succeeded=2, failed=0),
        seen_at=6.0,
        detected_at=9.0,
        events=(
            Event(
                type=EventType.STARTED,
                sequence=1,
                detected_at=6.0,
                previous_status=None,
                metadata=b'{"a":[1, 2]}',
                job_status=b'{"id":"0"}',
            ),
            Event(
                type=EventType.COMPLETED,
                sequence=2,
                detected_at=9.0,
                previous_status="working",
                metadata=b"{}",
                reason=Reason.JOB_FAILED,
            ),
        ),
    )


def test_a_job_in_its_first_state_takes_little_room():
    """Very many rows are of jobs that were not seen yet."""
    row = encode(Job(account="a", id="1", tracked_at=1.5))
    assert row == b'{"v":2,"account":"a","id":"1","tracked_at":1.5}'
    assert decode(row).metadata is EMPTY_METADATA


def test_what_is_nested_as_deeply_as_relay_takes_is_read():
    """orjson, which all metadata and statuses have passed, writes no deeper."""
    deep: list[object] = []
    for _ in range(252):
        deep = [deep]
    metadata = orjson.dumps({"deep": deep})
    with pytest.raises(orjson.JSONEncodeError):
        orjson.dumps({"deep": [[deep]]})
    job = Job(account="a", id="1", tracked_at=1.0, metadata=metadata, job_status=metadata)
    assert decode(encode(job)) == job


@pytest.mark.parametrize("name", ["account", "id", "traceparent"])
def test_half_a_surrogate_is_refused(name):
    with pytest.raises(ValueError):
        encode(replace(Job(account="a", id="1", tracked_at=1.0), **{name: "\ud800"}))
