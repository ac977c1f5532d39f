"""Jobs and deliveries as rows: the encoded value, and beside it the few columns that queries look for."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import orjson
from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from relay.core.delivery import Delivery, DeliveryState, endpoint_of
from relay.core.job import DELETED, ENDED, Event, Job
from relay.errors import Undecipherable

DELIVERY_VERSION = 1
ALWAYS_OVERDUE = float("-inf")


class _DeliveryRow(Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    v: int
    account: str
    job_id: str
    tracked_at: float
    sink: str
    sequence: int
    since: float
    due_at: float
    state: DeliveryState
    attempts: int
    settled_at: float | None
    error: str | None


class _Version(Struct, array_like=True):
    v: int


DELIVERY_FIELDS = len(_DeliveryRow.__struct_fields__)
"""In the array that is a delivery's row, its version included."""

_deliveries = Decoder(_DeliveryRow)
_version = Decoder(_Version)


def key_hash(account: str, id_: str) -> int:
    """32 bits of a job's key, signed. Ids come in random order, and an index of numbers is a fifth of one of text."""
    return zlib.crc32(f"{account}/{id_}".encode()) - (1 << 31)


class JobFields(Protocol):
    """What the columns are made of: a job has it, and so has a row that was parsed."""

    @property
    def account(self) -> str: ...

    @property
    def id(self) -> str: ...

    @property
    def tracked_at(self) -> float: ...

    @property
    def state(self) -> str: ...

    @property
    def detected_at(self) -> float | None: ...


def ended_at(job: JobFields) -> float | None:
    """Since when retention counts: None while the job lives; a deleted job waits for nothing but its deliveries."""
    if job.state not in ENDED:
        return None
    if job.state == DELETED:
        return ALWAYS_OVERDUE
    return job.tracked_at if job.detected_at is None else job.detected_at


def job_row(job: JobFields, value: bytes) -> Sequence[Any]:
    """`value`: what `core.job_row.encode` makes of it."""
    account, id_ = job.account, job.id
    return (job.tracked_at, account, id_, key_hash(account, id_), job.state, ended_at(job), value)


def event_rows(events: Iterable[tuple[Job, Event]], detected_by: float) -> Iterator[Sequence[Any]]:
    """`detected_by`: when the latest of all former events was detected. In the rows it rises with the position."""
    for job, event in events:
        detected_by = max(detected_by, event.detected_at)
        yield (
            event.position,
            job.tracked_at,
            job.account,
            job.id,
            event.type.value,
            event.detected_at,
            detected_by,
        )


def delivery_row(delivery: Delivery | _DeliveryRow, value: bytes) -> Sequence[Any]:
    """`value`: what `encode_delivery` makes of it."""
    return (
        delivery.tracked_at,
        delivery.account,
        delivery.job_id,
        delivery.sink,
        endpoint_of(delivery.sink),
        delivery.state.value,
        delivery.since,
        delivery.due_at,
        delivery.settled_at,
        value,
    )


def encode_delivery(delivery: Delivery) -> bytes:
    """The delivery as a row's value: a compact JSON array that begins with its version."""
    return orjson.dumps(
        [
            DELIVERY_VERSION,
            delivery.account,
            delivery.job_id,
            delivery.tracked_at,
            delivery.sink,
            delivery.sequence,
            delivery.since,
            delivery.due_at,
            delivery.state,
            delivery.attempts,
            delivery.settled_at,
            delivery.error,
        ]
    )


def parse_delivery(row: bytes) -> _DeliveryRow:
    """The fields of a row that `encode_delivery` wrote.

    Raises Undecipherable: not such a row, or one written by a newer version of relay.
    """
    try:
        fields = _deliveries.decode(row)
    except (MsgspecError, ValueError, RecursionError) as error:
        raise Undecipherable(_newer(row) or f"not a delivery row: {error}") from error
    if fields.v > DELIVERY_VERSION:
        raise Undecipherable(_newer(row))
    return fields


def decode_delivery(row: bytes) -> Delivery:
    """The delivery of a row that `encode_delivery` wrote. Raises as `parse_delivery` does."""
    fields = parse_delivery(row)
    return Delivery(
        account=fields.account,
        job_id=fields.job_id,
        tracked_at=fields.tracked_at,
        sink=fields.sink,
        sequence=fields.sequence,
        since=fields.since,
        due_at=fields.due_at,
        state=fields.state,
        attempts=fields.attempts,
        settled_at=fields.settled_at,
        error=fields.error,
    )


def _newer(row: bytes) -> str:
    """Empty: the row does not say that it is."""
    try:
        version = _version.decode(row).v
    except (MsgspecError, ValueError, RecursionError):
        return ""
    if version <= DELIVERY_VERSION:
        return ""
    return f"a delivery row of version {version}, newer than {DELIVERY_VERSION}: upgrade relay"
