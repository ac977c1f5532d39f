"""What stands in the topic as rows of the image: the value as it is, and the columns by which it is found.

A start has to take up every row that there is, so nothing is made of one but what these columns need.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from relay.core.job_row import parse
from relay.ledger import rows


class EventRow(NamedTuple):
    """Where an event stands. `type`: its full name."""

    position: int
    tracked_at: float
    account: str
    job_id: str
    type: str
    detected_at: float


class JobRow(Struct, frozen=True, gc=False):
    """`columns`: of the table of jobs, the value last. `events`: those that have a position."""

    columns: Sequence[Any]
    events: Sequence[EventRow]

    @property
    def value(self) -> bytes:
        value: bytes = self.columns[-1]
        return value


def job_row(value: bytes) -> JobRow:
    """Raises Undecipherable, as `core.job_row.parse` does."""
    job = parse(value)
    events = [
        EventRow(event.position, job.tracked_at, job.account, job.id, event.type.value, event.detected_at)
        for event in job.events
        if event.position
    ]
    return JobRow(rows.job_row(job, value), events)


def delivery_columns(value: bytes) -> Sequence[Any]:
    """Of the table of deliveries, the value last. Raises Undecipherable, as `parse_delivery` does."""
    return rows.delivery_row(rows.parse_delivery(value), value)
