"""Events as CloudEvents 1.0: deterministic ids, one rendering, one encoding for webhooks and the event stream.

An event is rendered from the job's row whenever it is sent. All of it comes from what the row keeps unchanged, so a
repeat, also after a restart, is the same bytes.
"""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import orjson
from msgspec import Struct

from relay.core.job import STATES, Callback, Event, EventType, Items, Job
from relay.core.results import total_of

SPEC_VERSION: Final = "1.0"
DATA_CONTENT_TYPE: Final = "application/json"
STRUCTURED_CONTENT_TYPE: Final = "application/cloudevents+json"
DATA_SCHEMA: Final = "urn:zendesk-job-relay:event-data:1"
"""Names the schema of `data` (docs/events/event.schema.json). A URN, because a name outlives any host; the number grows
with an incompatible change, as CloudEvents asks."""

TEST_TYPE: Final = "relay.test"
TEST_SOURCE: Final = "urn:zendesk-job-relay"

TERMINAL_TYPES: frozenset[EventType] = frozenset(
    state.ends_with for state in STATES.values() if state.ends_with is not None
)


class CloudEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One event as it leaves the process. `data`: a JSON object, as `dataschema` says; the rest: context attributes."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    partitionkey: str
    sequence: str
    data: bytes
    traceparent: str | None = None
    dataschema: str | None = DATA_SCHEMA


def types_named(name: str) -> frozenset[EventType]:
    """What people call them: `terminal` for those five, else a pattern of full or short names: `*`, `completed`."""
    if name == "terminal":
        return TERMINAL_TYPES
    return frozenset(kind for kind in EventType if fnmatchcase(kind, name) or fnmatchcase(short_name(kind), name))


def short_name(kind: EventType) -> str:
    return kind.rpartition(".")[2]


def source_of(base_url: str) -> str:
    """The `source` of all events of the account that lives at this URL."""
    return f"{base_url.rstrip('/')}/api/v2/job_statuses"


def source_of_stranger(account: str) -> str:
    """The `source` where the account is not configured any more, and nobody knows where it lived."""
    return f"urn:zendesk-job-relay:account:{account}"


def event_id(job: Job, event: Event) -> str:
    """The event's id: the same for every retry and republish, different for every incarnation of the job.

    Without dots, because it is the `webhook-id` too, and a signature joins that with dots.
    """
    # The parts are told apart by a NUL, which only the last could hold.
    name = f"{event.sequence}\0{float(job.tracked_at)!r}\0{job.id}\0{job.account}"
    return f"evt_{blake2b(name.encode(), digest_size=16).hexdigest()}"


def render(job: Job, event: Event, source: str, callback: Callback | None = None) -> CloudEvent:
    """The event, one of `job.events`, as everyone gets it. `source`: see `source_of`.

    `callback`: as it gets it, with the metadata and the trace of its own submission.
    """
    time = timestamp(event.detected_at)
    return CloudEvent(
        id=event_id(job, event),
        source=source,
        type=event.type.value,
        subject=job.id,
        time=time,
        partitionkey=f"{job.account}/{job.id}",
        sequence=f"{event.sequence:010d}",
        data=orjson.dumps(_data(job, event, event.metadata if callback is None else callback.metadata, time)),
        traceparent=(callback or job).traceparent,
    )


def trial(sink: str, number: int, now: float) -> CloudEvent:
    """A `relay.test` event: about no job, to see whether a sink takes what it is sent. `number`: makes its id."""
    return CloudEvent(
        id=f"test_{number:032x}",
        source=TEST_SOURCE,
        type=TEST_TYPE,
        subject=sink,
        time=timestamp(now),
        partitionkey=f"{TEST_TYPE}/{sink}",
        sequence=f"{1:010d}",
        data=orjson.dumps({"sink": sink, "message": "a test, about no job: any 2xx will do"}),
        dataschema=None,
    )


def structured(event: CloudEvent) -> bytes:
    """The event in CloudEvents' JSON format: one object, attributes first, `data` inside."""
    document: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": DATA_CONTENT_TYPE,
        "dataschema": event.dataschema,
        "partitionkey": event.partitionkey,
        "sequence": event.sequence,
    }
    if event.dataschema is None:
        del document["dataschema"]
    if event.traceparent is not None:
        document["traceparent"] = event.traceparent
    document["data"] = orjson.Fragment(event.data)
    return orjson.dumps(document)


def binary(event: CloudEvent) -> list[tuple[str, bytes]]:
    """The attributes as headers of a Kafka record in binary mode, whose value is `event.data` as it is.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md#32-binary-content-mode
    """
    headers = [
        _SPEC_VERSION,
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_subject", event.subject.encode()),
        ("ce_time", event.time.encode()),
        _CONTENT_TYPE,
    ]
    if event.dataschema is not None:
        headers.append(("ce_dataschema", event.dataschema.encode()))
    headers.append(("ce_partitionkey", event.partitionkey.encode()))
    headers.append(("ce_sequence", event.sequence.encode()))
    if event.traceparent is not None:
        headers.append(("ce_traceparent", event.traceparent.encode()))
    return headers


_SPEC_VERSION = ("ce_specversion", SPEC_VERSION.encode())
_CONTENT_TYPE = ("content-type", DATA_CONTENT_TYPE.encode())


@lru_cache(maxsize=1_024)
def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-02-03T04:05:06.789Z`. Jobs of one submission or reply share theirs."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{micros // 1_000:03d}Z"


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> str:
    """Events mostly are of the last few seconds, and this takes longer than all the rest of a time stamp."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _data(job: Job, event: Event, metadata: bytes, detected_at: str) -> dict[str, Any]:
    # The row's outcome, results and counts belong to the terminal event; while the job ran there were none.
    final = event.type in TERMINAL_TYPES
    job_status = job.job_status if final else event.job_status
    items = job.items if final else _items_while_running(event)
    return {
        "account": job.account,
        "job_id": job.id,
        "job_status": None if job_status is None else orjson.Fragment(job_status),
        "previous_status": event.previous_status,
        "outcome": job.outcome if final else None,
        "items": {"total": items.total, "succeeded": items.succeeded, "failed": items.failed},
        "reason": event.reason,
        "metadata": orjson.Fragment(metadata),
        "tracked_at": timestamp(job.tracked_at),
        "detected_at": detected_at,
        "completed_at": job.completed_at if final else None,
        "results_truncated": final and job.results_truncated,
    }


def _items_while_running(event: Event) -> Items:
    return Items() if event.job_status is None else Items(total=total_of(orjson.loads(event.job_status)))
