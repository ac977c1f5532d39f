"""What relay knows of one background job: its states in one table, the value itself, and its form in a ledger row.

Times are seconds since the epoch (float, the service's wall clock) throughout the core.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from relay.core.value import value
from relay.errors import Reason, Undecipherable

ROW_VERSION = 2  # 2: events have a position, jobs have callbacks
AS_IN_ROW = True  # stands in a row's events and callbacks for what the row itself holds, as it mostly does
EMPTY_METADATA = b"{}"


class EventType(StrEnum):
    STARTED = "zendesk.job.started"
    PROGRESSED = "zendesk.job.progressed"
    COMPLETED = "zendesk.job.completed"
    FAILED = "zendesk.job.failed"
    KILLED = "zendesk.job.killed"
    EXPIRED = "zendesk.job.expired"
    LOST = "zendesk.job.lost"


class Outcome(StrEnum):
    """What became of the items; receivers switch on this. UNKNOWN: nobody can tell."""

    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One row of the state table. `ends_with`: the event that entering this state records, None while running."""

    ends_with: EventType | None = None
    running: bool = False
    reason: Reason | None = None

    @property
    def terminal(self) -> bool:
        return not self.running


PENDING, DELETED, EXPIRED, LOST = "pending", "deleted", "expired", "lost"

STATES: Mapping[str, State] = MappingProxyType(
    {
        # ours: not seen yet
        PENDING: State(running=True),
        # Zendesk's own words; any other word is carried as it is and counts as running
        "queued": State(running=True),
        "working": State(running=True),
        "completed": State(ends_with=EventType.COMPLETED),
        "failed": State(ends_with=EventType.FAILED, reason=Reason.JOB_FAILED),
        "killed": State(ends_with=EventType.KILLED, reason=Reason.JOB_KILLED),
        # ours: ended without a word from Zendesk
        EXPIRED: State(ends_with=EventType.EXPIRED, reason=Reason.AGE_LIMIT),
        LOST: State(ends_with=EventType.LOST, reason=Reason.NEVER_FOUND),
        # a person stopped the tracking: no event, invisible, kept only while earlier events are owed
        DELETED: State(),
    }
)
UNKNOWN_WORD = State(running=True)
STATE_LABELS = (*STATES, "other")  # the closed set for metrics


def state_of(word: str) -> State:
    return STATES.get(word, UNKNOWN_WORD)


class JobKey(NamedTuple):
    account: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page of jobs ended: the order is (tracked_at, account, id), descending."""

    tracked_at: float
    account: str
    id: str


@value(frozen=True, slots=True, kw_only=True)
class Items:
    """How many of the job's items went well. None: Zendesk did not say."""

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None


NO_ITEMS = Items()


@value(frozen=True, slots=True, kw_only=True)
class Event:
    """One event in the job's row; with the row it renders to the same bytes every time.

    `job_status` is Zendesk's object as JSON when the event was recorded. A terminal event holds None there and renders
    the row's, which never changes again: results are stored once.
    `position`: its place among all events of the ledger, from 1, rising; 0: not recorded yet.
    """

    type: EventType
    sequence: int
    detected_at: float
    previous_status: str | None
    metadata: bytes
    job_status: bytes | None = None
    reason: Reason | None = None
    position: int = 0


@value(frozen=True, slots=True, kw_only=True)
class Callback:
    """A receiver that a submitter of the job has named, and what that submission said. `url` may hold a secret."""

    url: str = field(repr=False)
    metadata: bytes = EMPTY_METADATA


@value(frozen=True, slots=True, kw_only=True)
class Job:
    """A tracked job. Changed only by `core.observe`; (account, id, tracked_at) names one incarnation of it.

    `job_status`: Zendesk's object as last seen, as JSON, cut to the configured bound; None until seen.
    `queued_at`: when it was last seen queued, where progress is measured from; `seen_at`: when it was first seen.
    `sequence`: of the newest event, 0 before the first. `events`: started, newest progress, terminal; oldest first.
    `callbacks`: in the order of their submissions, one per url.
    """

    account: str
    id: str
    tracked_at: float
    state: str = PENDING
    sequence: int = 0
    metadata: bytes = EMPTY_METADATA
    traceparent: str | None = None
    job_status: bytes | None = None
    results_truncated: bool = False
    outcome: Outcome | None = None
    items: Items = NO_ITEMS
    seen_at: float | None = None
    queued_at: float | None = None
    detected_at: float | None = None
    completed_at: str | None = None
    events: tuple[Event, ...] = ()
    callbacks: tuple[Callback, ...] = ()

    @property
    def key(self) -> JobKey:
        return JobKey(self.account, self.id)

    @property
    def terminal(self) -> bool:
        return not state_of(self.state).running

    @property
    def final_event(self) -> Event | None:
        """The terminal event, once there is one."""
        last = self.events[-1] if self.events else None
        return last if last is not None and last.type is STATES.get(self.state, UNKNOWN_WORD).ends_with else None


@value(frozen=True, slots=True, kw_only=True)
class TrackRequest:
    """A wish to have a job watched, checked and bounded by the intake. `metadata`: a JSON object as bytes."""

    account: str
    id: str
    metadata: bytes = EMPTY_METADATA
    traceparent: str | None = None
    callback_url: str | None = field(default=None, repr=False)

    @property
    def key(self) -> JobKey:
        return JobKey(self.account, self.id)


def trim(encoded: bytes) -> bytes:
    """The same bytes in a memory of their own length, for JSON that is kept.

    What orjson returns sits in the buffer that it was written to, and holds on to kilobytes of the heap.
    """
    return b"%b" % encoded


def _json(value: bytes | None) -> orjson.Fragment | None:
    return None if value is None else orjson.Fragment(value)


def encode(job: Job) -> bytes:
    """The job as a ledger row's value: compact JSON with the version `v`; keys at their default are left out."""
    row: dict[str, Any] = {"v": ROW_VERSION, "account": job.account, "id": job.id, "tracked_at": job.tracked_at}
    if job.state != PENDING:
        row["state"] = job.state
    if job.sequence:
        row["sequence"] = job.sequence
    if job.metadata != EMPTY_METADATA:
        row["metadata"] = _json(job.metadata)
    if job.job_status is not None:
        row["job_status"] = _json(job.job_status)
    if job.results_truncated:
        row["results_truncated"] = True
    if job.items != NO_ITEMS:
        row["items"] = [job.items.total, job.items.succeeded, job.items.failed]
    for name in ("traceparent", "outcome", "seen_at", "queued_at", "detected_at", "completed_at"):
        value = getattr(job, name)
        if value is not None:
            row[name] = value
    row |= _encode_lists(job)
    return orjson.dumps(row)


def _encode_lists(job: Job) -> dict[str, Any]:
    lists: dict[str, Any] = {}
    if job.events:
        lists["events"] = [_encode_event(event, job) for event in job.events]
    if job.callbacks:
        lists["callbacks"] = [[callback.url, _encode_metadata(callback.metadata, job)] for callback in job.callbacks]
    return lists


def _encode_event(event: Event, job: Job) -> list[Any]:
    return [
        event.type,
        event.sequence,
        event.detected_at,
        event.previous_status,
        _encode_metadata(event.metadata, job),
        AS_IN_ROW if event.job_status is not None and event.job_status == job.job_status else _json(event.job_status),
        event.reason,
        event.position,
    ]


def _encode_metadata(metadata: bytes, job: Job) -> orjson.Fragment | bool | None:
    return AS_IN_ROW if metadata == job.metadata else _json(metadata)


def decode(row: bytes) -> Job:
    """The job of a row that `encode` wrote.

    Raises Undecipherable: not such a row, or one written by a newer version of relay.
    """
    try:
        fields: dict[str, Any] = orjson.loads(row)
        version = fields.pop("v")
        if version > ROW_VERSION:
            raise Undecipherable(  # noqa: TRY301 - it belongs here
                f"a job row of version {version}, newer than {ROW_VERSION}: upgrade relay"
            )
        metadata = trim(orjson.dumps(fields["metadata"])) if "metadata" in fields else EMPTY_METADATA
        job_status = trim(orjson.dumps(fields["job_status"])) if "job_status" in fields else None
        fields["account"] = _shared(fields["account"])
        fields["metadata"], fields["job_status"] = metadata, job_status
        if "state" in fields:
            fields["state"] = _shared(fields["state"])
        if "items" in fields:
            fields["items"] = _items(*fields["items"])
        if "outcome" in fields:
            fields["outcome"] = Outcome(fields["outcome"])
        if "events" in fields:
            fields["events"] = tuple(_decode_event(metadata, job_status, *event) for event in fields["events"])
        if "callbacks" in fields:
            fields["callbacks"] = tuple(_decode_callback(metadata, *callback) for callback in fields["callbacks"])
        return Job(**fields)
    except Undecipherable:
        raise
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Undecipherable(f"not a job row: {error}") from error


@lru_cache(maxsize=65_536)
def _shared(word: str) -> str:
    """One object for a word that stands in very many rows."""
    return word


@lru_cache(maxsize=1_024)
def _items(total: int | None, succeeded: int | None, failed: int | None) -> Items:
    return Items(total=total, succeeded=succeeded, failed=failed)


def _decode_event(  # noqa: PLR0913, PLR0917 - what the row holds anyway, and the columns of `_encode_event`
    row_metadata: bytes,
    row_job_status: bytes | None,
    kind: str,
    sequence: int,
    detected_at: float,
    previous_status: str | None,
    metadata: Any,  # noqa: ANN401 - JSON
    job_status: Any,  # noqa: ANN401 - JSON
    reason: str | None,
    position: int = 0,  # rows of version 1 have none
) -> Event:
    if job_status is AS_IN_ROW:
        encoded = row_job_status
    else:
        encoded = None if job_status is None else trim(orjson.dumps(job_status))
    return Event(
        type=EventType(kind),
        sequence=sequence,
        detected_at=detected_at,
        previous_status=None if previous_status is None else _shared(previous_status),
        metadata=_decode_metadata(row_metadata, metadata),
        job_status=encoded,
        reason=None if reason is None else Reason(reason),
        position=position,
    )


def _decode_callback(row_metadata: bytes, url: str, metadata: Any) -> Callback:  # noqa: ANN401 - JSON
    return Callback(url=url, metadata=_decode_metadata(row_metadata, metadata))


def _decode_metadata(row_metadata: bytes, metadata: Any) -> bytes:  # noqa: ANN401 - JSON
    return row_metadata if metadata is AS_IN_ROW else trim(orjson.dumps(metadata))
