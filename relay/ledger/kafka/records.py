"""What stands in the records of a ledger partition. One key per row; the newest record of a key is the row.

| key                                           | value                                                   |
|-----------------------------------------------|---------------------------------------------------------|
| `["job",account,id,tracked_at]`               | `core.job_row.encode`                                   |
| `["delivery",account,id,tracked_at,sink]`     | `ledger.rows.encode_delivery`                           |
| `["mark",name]`                               | its bytes                                               |
| `["positions"]`                               | `{"v":1,"newest":…,"forgotten":…}`, see core.record     |

No value: the row is gone. Rows carry their version, and one that is newer than this relay is refused. Fields that this
version does not know stay in a row when it is written again: a relay that is newer, and still writes this version, may
have put them there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import orjson
from msgspec import MsgspecError, Raw
from msgspec.json import Decoder, Encoder

from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Job
from relay.core.job_row import FIELDS, decode, encode
from relay.core.record import Batch, Positions
from relay.errors import Undecipherable
from relay.ledger.rows import decode_delivery, encode_delivery

T = TypeVar("T")

POSITIONS_VERSION = 1
DELIVERY_FIELDS = 12  # in the array that is a delivery's row, its version included
JOB, DELIVERY, MARK, POSITIONS = "job", "delivery", "mark", "positions"


class Incarnation(NamedTuple):
    tracked_at: float
    account: str
    id: str


class Record(NamedTuple):
    """`value` None: a tombstone."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What becomes of the rows: first those that are gone go, then the others take their places.

    The deliveries of a job that is gone are named, too. `marks`: None removes one. `positions`: as they are after jobs
    have gone, since a job takes the positions of its events with it.
    """

    gone_jobs: AbstractSet[Incarnation] = frozenset()
    gone_deliveries: AbstractSet[DeliveryKey] = frozenset()
    jobs: Sequence[Job] = ()
    deliveries: Sequence[Delivery] = ()
    marks: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)
    positions: Positions | None = None

    @property
    def empty(self) -> bool:
        return not (self.gone_jobs or self.gone_deliveries or self.jobs or self.deliveries or self.marks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a run of records comes to. `keys`: of all rows that it is about.

    `unknown`: by key, what a row holds that this version does not know, as it stands before the row's last byte.
    """

    changes: Changes
    keys: AbstractSet[bytes]
    unknown: Mapping[bytes, bytes]


def incarnation_of(job: Job) -> Incarnation:
    return Incarnation(job.tracked_at, job.account, job.id)


def changes_of(batch: Batch) -> Changes:
    """Of equal keys in the batch the last row counts."""
    return Changes(
        jobs=tuple({incarnation_of(job): job for job in batch.jobs}.values()),
        deliveries=tuple({delivery.key: delivery for delivery in batch.deliveries}.values()),
        marks=dict(batch.marks),
    )


def to_records(changes: Changes, unknown: Mapping[bytes, bytes]) -> list[Record]:
    """`unknown`: as it was read, of any rows. Raises TypeError or ValueError: a value that no row can hold."""
    records = {
        # A row that is gone and put again is put.
        **{_delivery_key(gone): None for gone in changes.gone_deliveries},
        **{_job_key(*gone): None for gone in changes.gone_jobs},
        **{_job_key(*incarnation_of(job)): encode(job) for job in changes.jobs},
        **{_delivery_key(delivery.key): encode_delivery(delivery) for delivery in changes.deliveries},
    }
    for key in unknown.keys() & records.keys():
        row = records[key]
        records[key] = None if row is None else row[:-1] + unknown[key] + row[-1:]
    records |= {orjson.dumps([MARK, name]): value for name, value in changes.marks.items()}
    if changes.positions is not None:
        # The last, so that whoever has read the tombstones but not this reads on.
        records[orjson.dumps([POSITIONS])] = _encode_positions(changes.positions)
    return [Record(key, value) for key, value in records.items()]


def from_records(records: Iterable[Record]) -> Read:
    """Raises Undecipherable, naming the key."""
    reading = _Reading()
    for record in records:
        try:
            reading.add(record)
        except Undecipherable as error:
            raise Undecipherable(f"record {record.key.decode(errors='replace')}: {error}") from error
    return reading.result()


class _Reading:
    def __init__(self) -> None:
        self._gone_jobs: set[Incarnation] = set()
        self._gone_deliveries: set[DeliveryKey] = set()
        self._jobs: dict[Incarnation, Job] = {}
        self._deliveries: dict[DeliveryKey, Delivery] = {}
        self._marks: dict[str, bytes | None] = {}
        self._positions: Positions | None = None
        self._unknown: dict[bytes, bytes] = {}
        self._keys: set[bytes] = set()

    def add(self, record: Record) -> None:
        self._keys.add(record.key)
        self._unknown.pop(record.key, None)
        match _decode_key(record.key):
            case ["job", str(account), str(id_), float(tracked_at)]:
                self._add_job(Incarnation(tracked_at, account, id_), record)
            case ["delivery", str(account), str(id_), float(tracked_at), str(sink)]:
                self._add_delivery(DeliveryKey(tracked_at, account, id_, sink), record)
            case ["mark", str(name)]:
                self._marks[name] = record.value
            case ["positions"]:
                self._positions = None if record.value is None else _decode_positions(record.value)
            case _:
                raise Undecipherable("not a key of this version of relay: upgrade relay")

    def _add_job(self, key: Incarnation, record: Record) -> None:
        if record.value is None:
            self._jobs.pop(key, None)
            self._gone_jobs.add(key)
        else:
            self._jobs[key] = self._without_unknown(decode, _split_object, record.key, record.value)

    def _add_delivery(self, key: DeliveryKey, record: Record) -> None:
        if record.value is None:
            self._deliveries.pop(key, None)
            self._gone_deliveries.add(key)
        else:
            self._deliveries[key] = self._without_unknown(decode_delivery, _split_array, record.key, record.value)

    def _without_unknown(
        self, decipher: Callable[[bytes], T], split: Callable[[bytes], tuple[bytes, bytes]], key: bytes, row: bytes
    ) -> T:
        """Mostly there is nothing unknown, and nothing to split."""
        try:
            return decipher(row)
        except Undecipherable:
            known, unknown = split(row)
            if not unknown:
                raise
        value = decipher(known)
        self._unknown[key] = unknown
        return value

    def result(self) -> Read:
        changes = Changes(
            gone_jobs=self._gone_jobs,
            gone_deliveries=self._gone_deliveries,
            jobs=tuple(self._jobs.values()),
            deliveries=tuple(self._deliveries.values()),
            marks=self._marks,
            positions=self._positions,
        )
        return Read(changes=changes, keys=self._keys, unknown=self._unknown)


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


def _job_key(tracked_at: float, account: str, id_: str) -> bytes:
    return orjson.dumps([JOB, account, id_, float(tracked_at)])


def _delivery_key(key: DeliveryKey) -> bytes:
    return orjson.dumps([DELIVERY, key.account, key.job_id, float(key.tracked_at), key.sink])


def _decode_key(key: bytes) -> object:
    try:
        return orjson.loads(key)
    except ValueError as error:
        raise Undecipherable(f"not a key: {error}") from error


def _encode_positions(positions: Positions) -> bytes:
    row = {"v": POSITIONS_VERSION, "newest": positions.newest, "forgotten": positions.forgotten}
    return orjson.dumps(row)


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
