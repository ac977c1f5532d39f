"""Run as a program, this file writes the examples in docs/events anew: `python tests/unit/core/test_events.py`."""

import re
from pathlib import Path

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.events import (
    TERMINAL_TYPES,
    binary,
    event_id,
    render,
    source_of,
    source_of_stranger,
    structured,
    timestamp,
    trial,
    types_named,
)
from relay.core.job import Callback, Event, EventType, Items, Job, Outcome, TrackRequest
from relay.core.job_row import decode, encode
from relay.core.observe import Rules, expire, give_up, observe, track
from relay.core.sighting import sight
from relay.errors import Reason

DOCS = Path(__file__).parents[3] / "docs" / "events"
SCHEMA = orjson.loads((DOCS / "event.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SOURCE = source_of("https://acme.zendesk.com")
MORNING = 1_770_105_600.25  # 2026-02-03T08:00:00.250Z
RULES = Rules()

URL = "https://acme.zendesk.com/api/v2/job_statuses/V3-0d3aa8e1f5d1a0e4b5e8c8e2a4a1f0c7.json"
STATUS = {
    "id": "V3-0d3aa8e1f5d1a0e4b5e8c8e2a4a1f0c7",
    "url": URL,
    "job_type": "Bulk Create Ticket",
    "total": 3,
    "progress": None,
    "status": "queued",
    "message": None,
    "results": None,
}
WORKING = STATUS | {"status": "working", "progress": 1, "message": "Creating ticket #1"}
FURTHER = STATUS | {"status": "working", "progress": 2, "message": "Creating ticket #2"}
COMPLETED = STATUS | {
    "status": "completed",
    "progress": 3,
    "message": "Completed at 2026-02-03 08:00:08 +0000",
    "results": [
        {"index": 0, "id": 4711, "account_id": 1},
        {"index": 1, "id": 4712, "account_id": 1},
        {"index": 2, "error": "TicketCreateFailed", "details": "Requester: Name is too short"},
    ],
}
FAILED = STATUS | {
    "status": "failed",
    "progress": 1,
    "message": "Failed at 2026-02-03 08:00:08 +0000",
    "results": [{"index": 1, "error": "JobFailed", "details": "The job was stopped by an error"}],
}
KILLED = STATUS | {"status": "killed", "progress": 1, "message": "Killed at 2026-02-03 08:00:08 +0000"}


def tracked():
    request = TrackRequest(
        account="acme",
        id=STATUS["id"],
        metadata=b'{"import":"customers-2026-02","row_from":1200}',
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return track(request, MORNING)


def seen(*statuses):
    job = tracked()
    for number, status in enumerate(statuses, 1):
        job = observe(job, sight(status), MORNING + 2 * number, RULES)
    return job


def examples():
    """The jobs behind the documented examples; the newest event of each is shown."""
    day = MORNING + 86_400
    return {
        "started": seen(STATUS, WORKING),
        "progressed": seen(STATUS, WORKING, FURTHER),
        "completed": seen(STATUS, WORKING, FURTHER, FURTHER, COMPLETED),
        "failed": seen(STATUS, WORKING, FAILED),
        "killed": seen(STATUS, WORKING, KILLED),
        "expired": expire(seen(STATUS, WORKING), day),
        "lost": give_up(tracked(), MORNING + 300),
    }


def shown(job):
    event = structured(render(job, job.events[-1], SOURCE))
    return orjson.dumps(orjson.loads(event), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def data_of(job, event):
    return orjson.loads(render(job, event, SOURCE).data)


def test_there_is_an_example_for_every_type():
    kinds = {f"zendesk.job.{name}" for name in examples()}
    assert kinds == set(EventType) == set(SCHEMA["properties"]["type"]["enum"])
    assert {job.events[-1].type for job in examples().values()} == set(EventType)


@pytest.mark.parametrize("name", examples())
def test_the_documented_example_is_what_is_sent(name):
    assert (DOCS / f"{name}.json").read_bytes() == shown(examples()[name])


@pytest.mark.parametrize("name", examples())
def test_the_example_fits_the_schema(name):
    VALIDATOR.validate(orjson.loads((DOCS / f"{name}.json").read_bytes()))


@pytest.mark.parametrize(
    "member", [*SCHEMA["required"], *(f"data.{name}" for name in SCHEMA["$defs"]["data"]["required"])]
)
def test_the_schema_asks_for_every_member(member):
    """May be null, never absent: an event without one of them is not valid."""
    event = orjson.loads(shown(examples()["completed"]))
    inner = event["data"] if member.startswith("data.") else event
    del inner[member.removeprefix("data.")]
    assert not VALIDATOR.is_valid(event)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("started", "failed"), ("progressed", "unknown"), ("completed", None), ("lost", None), ("killed", "succeded")],
)
def test_the_schema_ties_the_outcome_to_the_end(name, outcome):
    event = orjson.loads(shown(examples()[name]))
    event["data"]["outcome"] = outcome
    assert not VALIDATOR.is_valid(event)


def test_a_terminal_event_tells_what_became_of_the_job():
    job = examples()["completed"]
    data = data_of(job, job.events[-1])
    assert data["job_status"] == COMPLETED
    assert data["previous_status"] == "working"
    assert data["outcome"] == "partially_failed"
    assert data["items"] == {"total": 3, "succeeded": 2, "failed": 1}
    assert data["completed_at"] == "2026-02-03T08:00:08Z"
    assert data["detected_at"] == "2026-02-03T08:00:10.250Z"


def test_earlier_events_stay_what_they_were_when_the_job_has_ended():
    """Started and progress render without results and outcome, as they did before the end."""
    running = seen(STATUS, WORKING, FURTHER)
    ended = replace(observe(running, sight(COMPLETED), MORNING + 9, RULES), results_truncated=True)
    for event in running.events:
        assert render(ended, event, SOURCE) == render(running, event, SOURCE)
    data = data_of(ended, ended.events[1])
    assert data["items"] == {"total": 3, "succeeded": None, "failed": None}
    assert (data["outcome"], data["completed_at"], data["results_truncated"]) == (None, None, False)


@pytest.mark.parametrize("total", [None, "3", 3.5, True, -1, [3]])
def test_a_total_that_is_none_is_null(total):
    job = seen(STATUS, WORKING | {"total": total})
    assert data_of(job, job.events[-1])["items"]["total"] is None


def test_results_that_were_cut_are_said_to_be():
    job = replace(examples()["completed"], results_truncated=True)
    assert data_of(job, job.events[-1])["results_truncated"] is True


@pytest.mark.parametrize("trace", [None, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
def test_a_callback_gets_the_same_event_with_metadata_and_trace_of_its_own_submission(trace):
    """One id for one event, whoever gets it: a service may be both a sink and a callback."""
    job = seen(STATUS, COMPLETED)
    callback = Callback(url="https://a.example/", metadata=b'{"mine":1}', traceparent=trace)
    usual, own = render(job, job.events[-1], SOURCE), render(job, job.events[-1], SOURCE, callback)
    assert orjson.loads(own.data) == orjson.loads(usual.data) | {"metadata": {"mine": 1}}
    assert own.traceparent == trace
    assert replace(own, data=usual.data, traceparent=usual.traceparent) == usual


def test_a_job_deleted_after_its_end_still_renders_its_end():
    job = examples()["failed"]
    deleted = replace(job, state="deleted")
    assert render(deleted, job.events[-1], SOURCE) == render(job, job.events[-1], SOURCE)


def test_the_attributes():
    job = examples()["completed"]
    event = render(job, job.events[-1], SOURCE)
    assert event.source == "https://acme.zendesk.com/api/v2/job_statuses"
    assert (event.subject, event.partitionkey) == (job.id, f"acme/{job.id}")
    assert (event.sequence, event.time) == ("0000000003", "2026-02-03T08:00:10.250Z")
    assert "traceparent" not in orjson.loads(structured(replace(event, traceparent=None)))


@pytest.mark.parametrize("traceparent", [None, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
def test_in_kafkas_binary_mode_the_headers_are_the_same_attributes(traceparent):
    job = examples()["completed"]
    event = replace(render(job, job.events[-1], SOURCE), traceparent=traceparent)
    headers = binary(event)
    assert len(dict(headers)) == len(headers)
    attributes = {name: value for name, value in orjson.loads(structured(event)).items() if name != "data"}
    names = {name: "content-type" if name == "datacontenttype" else f"ce_{name}" for name in attributes}
    assert headers == [(names[name], value.encode()) for name, value in attributes.items()]


def test_the_id_is_written_in_stone():
    """Receivers and other replicas recognise repeats by it, whatever version of relay sends."""
    job = Job(account="acme", id="V3-1", tracked_at=1_770_105_600.25)
    event = Event(type=EventType.STARTED, sequence=1, detected_at=0.0, previous_status=None, metadata=b"{}")
    assert event_id(job, event) == "evt_568793d65d8efeacd5542234166587e9"
    assert event_id(replace(job, tracked_at=1_770_105_600), event) == event_id(
        replace(job, tracked_at=1_770_105_600.0), event
    )


JOBS = st.tuples(
    st.text(min_size=1, max_size=4, alphabet="ab/\0-1"),
    st.text(min_size=1, max_size=4, alphabet="abAB01_-"),
    st.integers(0, 3).map(lambda milliseconds: 1_770_105_600 + milliseconds / 1000),
    st.integers(1, 12),
)


@given(st.lists(JOBS, unique=True, min_size=2, max_size=30))
def test_ids_differ_between_accounts_jobs_incarnations_and_sequences(names):
    ids = set()
    for account, job_id, tracked_at, sequence in names:
        job = Job(account=account, id=job_id, tracked_at=tracked_at)
        event = Event(type=EventType.STARTED, sequence=sequence, detected_at=0.0, previous_status=None, metadata=b"{}")
        ids.add(event_id(job, event))
    assert len(ids) == len(names)
    assert all(re.fullmatch(r"evt_[0-9a-f]{32}", name) for name in ids)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=8), JSON, max_size=5).map(orjson.dumps)
TIMES = st.floats(0, 4e9)
COUNTS = st.none() | st.integers(0, 1000)
EVENTS = st.builds(
    Event,
    type=st.sampled_from(EventType),
    sequence=st.integers(1, 10**10 - 1),
    detected_at=TIMES,
    previous_status=st.none() | st.text(),
    metadata=OBJECTS,
    job_status=st.none() | OBJECTS,
    reason=st.none() | st.sampled_from(Reason),
)


@given(
    st.builds(
        Job,
        account=st.text(min_size=1),
        id=st.text(min_size=1, alphabet="aZ0_-"),
        tracked_at=TIMES,
        state=st.sampled_from(["working", "completed", "lost", "deleted"]),
        job_status=st.none() | OBJECTS,
        results_truncated=st.booleans(),
        outcome=st.none() | st.sampled_from(Outcome),
        items=st.builds(Items, total=COUNTS, succeeded=COUNTS, failed=COUNTS),
        completed_at=st.none() | st.just("2026-02-03T08:00:08Z"),
        traceparent=st.none() | st.text(),
        events=EVENTS.map(lambda event: (event,)),
    )
)
def test_a_repeat_from_the_ledger_is_the_same_bytes(job):
    """Rendered from memory or from the row as it was written: no subscriber can tell a restart."""
    again = decode(encode(job))
    event = structured(render(job, job.events[0], SOURCE))
    assert structured(render(again, again.events[0], SOURCE)) == event
    data = orjson.loads(event)["data"]
    assert set(data) == set(SCHEMA["$defs"]["data"]["required"])
    assert (data["outcome"] is None) or job.events[0].type in TERMINAL_TYPES


def test_times_are_utc_with_milliseconds():
    assert timestamp(0.0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_770_105_600.25) == "2026-02-03T08:00:00.250Z"


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("completed", {EventType.COMPLETED}),
        ("zendesk.job.completed", {EventType.COMPLETED}),
        ("terminal", TERMINAL_TYPES),
        ("*", set(EventType)),
        ("zendesk.*", set(EventType)),
        ("*ed", set(EventType) - {EventType.LOST}),
        ("done", set()),
        ("", set()),
    ],
)
def test_types_go_by_full_and_short_names_patterns_and_terminal(name, types):
    assert types_named(name) == types


def test_an_account_that_is_no_longer_configured_has_a_source_too():
    assert source_of_stranger("acme") == "urn:zendesk-job-relay:account:acme"


def test_a_test_event_is_a_cloud_event_about_no_job():
    """It follows another schema than ours, and has an id of its own that a signature can join."""
    event = orjson.loads(structured(trial("orders", 7, 1_750_000_000.0)))
    assert event.pop("data")["sink"] == "orders"
    assert event == {
        "specversion": "1.0",
        "id": f"test_{7:032x}",
        "source": "urn:zendesk-job-relay",
        "type": "relay.test",
        "subject": "orders",
        "time": "2025-06-15T15:06:40.000Z",
        "datacontenttype": "application/json",
        "partitionkey": "relay.test/orders",
        "sequence": "0000000001",
    }


if __name__ == "__main__":
    for name, job in examples().items():
        (DOCS / f"{name}.json").write_bytes(shown(job))
