"""Records, as they were read, as rows of the image. See `records` for what stands in them."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import orjson
from msgspec import MsgspecError, Raw
from msgspec.json import Decoder, Encoder

from relay.core.delivery import DeliveryKey
from relay.core.job import Incarnation
from relay.core.job_row import FIELDS
from relay.core.record import Positions
from relay.errors import Undecipherable
from relay.ledger.kafka.records import DELIVERY, JOB, POSITIONS_VERSION
from relay.ledger.kafka.rows import JobRow, delivery_columns, job_row
from relay.ledger.rows import DELIVERY_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a run of records comes to: first the rows that are gone go, then the others take their places.

    `deliveries`: columns of the table. `marks`: None removes one. `keys`: of all rows that it is about.
    `unknown`: by key, what a row holds that this version does not know, as it stands before the row's last byte.
    """

    gone_jobs: AbstractSet[Incarnation] = frozenset()
    gone_deliveries: AbstractSet[DeliveryKey] = frozenset()
    jobs: Sequence[JobRow] = ()
    deliveries: Sequence[Sequence[Any]] = ()
    marks: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)
    positions: Positions | None = None
    keys: AbstractSet[bytes] = frozenset()
    unknown: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


def from_records(records: Iterable[tuple[bytes, bytes | None]]) -> Read:
    """`records`: as `records.Record`. Raises Undecipherable, naming the key."""
    reading = _Reading()
    for key, value in records:
        try:
            reading.add(key, value)
        except Undecipherable as error:
            raise Undecipherable(f"record {key.decode(errors='replace')}: {error}") from error
    return reading.result()


class _Reading:
    def __init__(self) -> None:
        self._gone_jobs: set[Incarnation] = set()
        self._gone_deliveries: set[DeliveryKey] = set()
        self._jobs: dict[bytes, JobRow] = {}
        self._deliveries: dict[bytes, Sequence[Any]] = {}
        self._marks: dict[str, bytes | None] = {}
        self._positions: Positions | None = None
        self._unknown: dict[bytes, bytes] = {}
        self._keys: set[bytes] = set()

    def add(self, key: bytes, value: bytes | None) -> None:
        self._keys.add(key)
        if self._unknown:
            self._unknown.pop(key, None)
        try:
            # Nearly all are one of these two, and hold nothing unknown.
            if value is not None and key.startswith(_JOB_KEY):
                self._jobs[key] = job_row(value)
            elif value is not None and key.startswith(_DELIVERY_KEY):
                self._deliveries[key] = delivery_columns(value)
            else:
                self._add_other(key, value)
        except Undecipherable:
            if value is None or not self._add_known(key, value):
                raise

    def _add_known(self, key: bytes, row: bytes) -> bool:
        """What this version knows of a row. False: that is all of it, or nothing."""
        of_job = key.startswith(_JOB_KEY)
        if not (of_job or key.startswith(_DELIVERY_KEY)):
            return False
        known, unknown = _split_object(row) if of_job else _split_array(row)
        if not unknown:
            return False
        if of_job:
            self._jobs[key] = job_row(known)
        else:
            self._deliveries[key] = delivery_columns(known)
        self._unknown[key] = unknown
        return True

    def _add_other(self, key: bytes, value: bytes | None) -> None:
        match _decode_key(key):
            case ["job", str(account), str(id_), float(tracked_at)]:
                self._jobs.pop(key, None)
                self._gone_jobs.add((tracked_at, account, id_))
            case ["delivery", str(account), str(id_), float(tracked_at), str(sink)]:
                self._deliveries.pop(key, None)
                self._gone_deliveries.add(DeliveryKey(tracked_at, account, id_, sink))
            case ["mark", str(name)]:
                self._marks[name] = value
            case ["positions"]:
                self._positions = None if value is None else _decode_positions(value)
            case _:
                raise Undecipherable("not a key of this version of relay: upgrade relay")

    def result(self) -> Read:
        return Read(
            gone_jobs=self._gone_jobs,
            gone_deliveries=self._gone_deliveries,
            jobs=tuple(self._jobs.values()),
            deliveries=tuple(self._deliveries.values()),
            marks=self._marks,
            positions=self._positions,
            keys=self._keys,
            unknown=self._unknown,
        )


_JOB_KEY, _DELIVERY_KEY = (orjson.dumps([kind])[:-1] + b"," for kind in (JOB, DELIVERY))
_json = Encoder()
_object = Decoder(dict[str, Raw])
_array = Decoder(list[Raw])


def _split_object(row: bytes) -> tuple[bytes, bytes]:
    """A job's row as this version may read it, and the rest of it; all of it, where it is no row at all."""
    try:
        fields = _object.decode(row)
    except (MsgspecError, ValueError):
        return row, b""
    known = {name: value for name, value in fields.items() if name in FIELDS}
    return _json.encode(known), _tail({name: value for name, value in fields.items() if name not in FIELDS})


def _split_array(row: bytes) -> tuple[bytes, bytes]:
    """As `_split_object`, of a delivery's row."""
    try:
        fields = _array.decode(row)
    except (MsgspecError, ValueError):
        return row, b""
    return _json.encode(fields[:DELIVERY_FIELDS]), _tail(fields[DELIVERY_FIELDS:])


def _tail(unknown: Mapping[str, Raw] | Sequence[Raw]) -> bytes:
    return b"," + _json.encode(unknown)[1:-1] if unknown else b""


def _decode_key(key: bytes) -> object:
    try:
        return orjson.loads(key)
    except ValueError as error:
        raise Undecipherable(f"not a key: {error}") from error


def _decode_positions(row: bytes) -> Positions:
    """Raises Undecipherable: not such a row, or one written by a newer version of relay."""
    try:
        match orjson.loads(row):
            case {"v": int(version)} if version > POSITIONS_VERSION:
                raise Undecipherable(f"positions of version {version}, newer than {POSITIONS_VERSION}: upgrade relay")
            case {"newest": int(newest), "forgotten": int(forgotten)}:
                return Positions(newest=newest, forgotten=forgotten)
    except ValueError as error:
        raise Undecipherable(f"not positions: {error}") from error
    raise Undecipherable("not positions")
