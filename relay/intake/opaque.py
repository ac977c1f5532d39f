"""Cursors and ids that mean something to relay only: base64url without padding, of a JSON list.

Opaque, so that what is in them may change: a place among the events is one number for each partition of the ledger.
Whatever reads one raises ValueError: it is none that relay wrote.
"""

import base64
from typing import Any

import orjson

from relay.core.delivery import DeliveryKey
from relay.core.job import Cursor
from relay.core.place import Place

DELIVERY = "dlv_"


def write(*fields: float | str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(fields)).decode().rstrip("=")


def read(text: str) -> Any:  # noqa: ANN401 - JSON
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    return orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))


def write_jobs_cursor(cursor: Cursor) -> str:
    return write(cursor.tracked_at, cursor.account, cursor.id)


def read_jobs_cursor(text: str) -> Cursor:
    match read(text):
        case [tracked_at, str() as account, str() as job_id] if _is_number(tracked_at):
            return Cursor(tracked_at=float(tracked_at), account=account, id=job_id)
    raise ValueError("not the fields of a cursor of jobs")


def write_place(place: Place) -> str:
    """The cursor of a reader of events who has read all up to this place."""
    return write(*place)


def read_place(text: str) -> Place:
    match read(text):
        case [_, *_] as positions if all(map(_is_position, positions)):
            return tuple(positions)
    raise ValueError("not the fields of a cursor of events")


def _is_position(field: object) -> bool:
    return isinstance(field, int) and not isinstance(field, bool) and 0 <= field < 1 << 63


def _is_number(field: object) -> bool:
    return isinstance(field, float | int) and not isinstance(field, bool)


def write_deliveries_cursor(key: DeliveryKey) -> str:
    return write(*key)


def read_deliveries_cursor(text: str) -> DeliveryKey:
    match read(text):
        case [tracked_at, str() as account, str() as job_id, str() as sink] if _is_number(tracked_at):
            return DeliveryKey(float(tracked_at), account, job_id, sink)
    raise ValueError("not the fields of a delivery")


def write_delivery_id(key: DeliveryKey) -> str:
    return DELIVERY + write_deliveries_cursor(key)


def read_delivery_id(text: str) -> DeliveryKey:
    if not text.startswith(DELIVERY):
        raise ValueError(f"it does not begin with {DELIVERY}")
    return read_deliveries_cursor(text.removeprefix(DELIVERY))
