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

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Incarnation, Job
from relay.core.job_row import encode
from relay.core.record import Batch, Positions
from relay.ledger.rows import encode_delivery

POSITIONS_VERSION = 1
JOB, DELIVERY, MARK, POSITIONS = "job", "delivery", "mark", "positions"


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


def changes_of(batch: Batch) -> Changes:
    return Changes(jobs=batch.jobs, deliveries=batch.deliveries, marks=batch.marks)


def to_records(changes: Changes, unknown: Mapping[bytes, bytes]) -> list[Record]:
    """`unknown`: as it was read, of any rows. Raises TypeError or ValueError: a value that no row can hold."""
    records = {
        # A row that is gone and put again is put.
        **{_delivery_key(*gone): None for gone in changes.gone_deliveries},
        **{_job_key(*gone): None for gone in changes.gone_jobs},
        **{_job_key(*job.incarnation): encode(job) for job in changes.jobs},
        **{
            _delivery_key(one.tracked_at, one.account, one.job_id, one.sink): encode_delivery(one)
            for one in changes.deliveries
        },
    }
    for key in unknown.keys() & records.keys():
        row = records[key]
        records[key] = None if row is None else row[:-1] + unknown[key] + row[-1:]
    records |= {orjson.dumps([MARK, name]): value for name, value in changes.marks.items()}
    if changes.positions is not None:
        # The last, so that whoever has read the tombstones but not this reads on.
        records[orjson.dumps([POSITIONS])] = _encode_positions(changes.positions)
    return [Record(key, value) for key, value in records.items()]


def _job_key(tracked_at: float, account: str, id_: str) -> bytes:
    return orjson.dumps([JOB, account, id_, float(tracked_at)])


def _delivery_key(tracked_at: float, account: str, job_id: str, sink: str) -> bytes:
    return orjson.dumps([DELIVERY, account, job_id, float(tracked_at), sink])


def _encode_positions(positions: Positions) -> bytes:
    row = {"v": POSITIONS_VERSION, "newest": positions.newest, "forgotten": positions.forgotten}
    return orjson.dumps(row)
