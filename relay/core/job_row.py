"""A job as a row of the ledger: compact JSON, in which what is JSON already stands as it is."""

from functools import lru_cache
from typing import TypeVar

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder, Encoder

from relay.core.job import (
    EMPTY_METADATA,
    NO_ITEMS,
    PENDING,
    Callback,
    Event,
    EventType,
    Items,
    Job,
    Outcome,
)
from relay.errors import Reason, Undecipherable

T = TypeVar("T")

ROW_VERSION = 2  # 2: events have a position, jobs have callbacks

NOTHING, NULL = Raw(b""), Raw(b"null")
EMPTY = Raw(EMPTY_METADATA)
AS_IN_ROW = Raw(b"true")  # stands in a row's events and callbacks for what the row itself holds, as it mostly does


class _EventRow(Struct, array_like=True, gc=False):
    type: EventType
    sequence: int
    detected_at: float
    previous_status: str | None
    metadata: Raw
    job_status: Raw
    reason: Reason | None
    position: int = 0  # rows of version 1 have none


class _CallbackRow(Struct, array_like=True, gc=False):
    url: str
    metadata: Raw
    traceparent: str | None = None


class _JobRow(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Fields at their default are left out."""

    v: int
    account: str
    id: str
    tracked_at: float
    state: str = PENDING
    sequence: int = 0
    metadata: Raw = EMPTY
    traceparent: str | None = None
    job_status: Raw = NOTHING
    results_truncated: bool = False
    outcome: Outcome | None = None
    items: tuple[int | None, int | None, int | None] | None = None
    seen_at: float | None = None
    queued_at: float | None = None
    detected_at: float | None = None
    completed_at: str | None = None
    events: tuple[_EventRow, ...] = ()
    callbacks: tuple[_CallbackRow, ...] = ()


FIELDS = frozenset(_JobRow.__struct_fields__)
"""The names that a row of this version may hold."""


class _Version(Struct):
    v: int


_encoder = Encoder()
_decoder = Decoder(_JobRow)
_version = Decoder(_Version)


def encode(job: Job) -> bytes:
    """The job as a row's value. Raises ValueError: a text that is no text, such as half a surrogate."""
    return _encoder.encode(
        _JobRow(
            v=ROW_VERSION,
            account=job.account,
            id=job.id,
            tracked_at=job.tracked_at,
            state=job.state,
            sequence=job.sequence,
            metadata=EMPTY if job.metadata == EMPTY_METADATA else Raw(job.metadata),
            traceparent=job.traceparent,
            job_status=NOTHING if job.job_status is None else Raw(job.job_status),
            results_truncated=job.results_truncated,
            outcome=job.outcome,
            items=None if job.items == NO_ITEMS else (job.items.total, job.items.succeeded, job.items.failed),
            seen_at=job.seen_at,
            queued_at=job.queued_at,
            detected_at=job.detected_at,
            completed_at=job.completed_at,
            events=tuple([_encode_event(event, job) for event in job.events]),
            callbacks=tuple([_encode_callback(callback, job) for callback in job.callbacks]),
        )
    )


def _encode_event(event: Event, job: Job) -> _EventRow:
    return _EventRow(
        event.type,
        event.sequence,
        event.detected_at,
        event.previous_status,
        _part(event.metadata, job.metadata),
        _part(event.job_status, job.job_status),
        event.reason,
        event.position,
    )


def _encode_callback(callback: Callback, job: Job) -> _CallbackRow:
    return _CallbackRow(callback.url, _part(callback.metadata, job.metadata), callback.traceparent)


def _part(own: bytes | None, of_row: bytes | None) -> Raw:
    if own is None:
        return NULL
    return AS_IN_ROW if own == of_row else Raw(own)


def parse(row: bytes) -> _JobRow:
    """The fields of a row that `encode` wrote, as they stand in it: a third of the way to its job.

    Raises Undecipherable: not such a row, or one written by a newer version of relay.
    """
    try:
        fields = _decoder.decode(row)
    except (MsgspecError, ValueError) as error:
        raise Undecipherable(_newer(row) or f"not a job row: {error}") from error
    if fields.v > ROW_VERSION:
        raise Undecipherable(_newer(row))
    return fields


def decode(row: bytes) -> Job:
    """The job of a row that `encode` wrote. Raises as `parse` does."""
    fields = parse(row)
    metadata = EMPTY_METADATA if fields.metadata is EMPTY else bytes(fields.metadata)
    job_status = None if fields.job_status is NOTHING else bytes(fields.job_status)
    return Job(
        account=_shared(fields.account),
        id=fields.id,
        tracked_at=fields.tracked_at,
        state=_shared(fields.state),
        sequence=fields.sequence,
        metadata=metadata,
        traceparent=fields.traceparent,
        job_status=job_status,
        results_truncated=fields.results_truncated,
        outcome=fields.outcome,
        items=NO_ITEMS if fields.items is None else _items(*fields.items),
        seen_at=fields.seen_at,
        queued_at=fields.queued_at,
        detected_at=fields.detected_at,
        completed_at=fields.completed_at,
        events=tuple([_decode_event(event, metadata, job_status) for event in fields.events]),
        callbacks=tuple([_decode_callback(callback, metadata) for callback in fields.callbacks]),
    )


def _decode_event(event: _EventRow, metadata: bytes, job_status: bytes | None) -> Event:
    return Event(
        type=event.type,
        sequence=event.sequence,
        detected_at=event.detected_at,
        previous_status=None if event.previous_status is None else _shared(event.previous_status),
        metadata=_whole(event.metadata, metadata),
        job_status=None if event.job_status == NULL else _whole(event.job_status, job_status),
        reason=event.reason,
        position=event.position,
    )


def _decode_callback(callback: _CallbackRow, metadata: bytes) -> Callback:
    return Callback(url=callback.url, metadata=_whole(callback.metadata, metadata), traceparent=callback.traceparent)


def _whole(part: Raw, of_row: T) -> bytes | T:
    return of_row if part == AS_IN_ROW else bytes(part)


def _newer(row: bytes) -> str:
    """Empty: the row does not say that it is."""
    try:
        version = _version.decode(row).v
    except (MsgspecError, ValueError):
        return ""
    return f"a job row of version {version}, newer than {ROW_VERSION}: upgrade relay" if version > ROW_VERSION else ""


@lru_cache(maxsize=65_536)
def _shared(word: str) -> str:
    """One object for a word that stands in very many rows."""
    return word


@lru_cache(maxsize=1_024)
def _items(total: int | None, succeeded: int | None, failed: int | None) -> Items:
    return Items(total=total, succeeded=succeeded, failed=failed)
