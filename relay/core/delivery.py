"""What is owed to whom: one row for a job and a sink, pointing at the event that the sink gets next.

The events stand in the job's row; a delivery is a cursor over them. So order per job, the replacement of an old
progress event by a newer one and the precedence of the terminal event need no bookkeeping.
"""

from dataclasses import dataclass
from enum import StrEnum

from relay.core.job import JobKey
from relay.errors import Reason


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The newest dealings with one sink about one incarnation of a job.

    `sequence`: the event owed while PENDING, else the last one that was delivered or given up.
    `since`: when that event became owed. `due_at`: the next attempt. `settled_at`: when it was delivered or given up.
    `error`: what went wrong at the last attempt, for people.
    """

    account: str
    job_id: str
    tracked_at: float
    sink: str
    sequence: int
    since: float
    due_at: float
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    settled_at: float | None = None
    error: str | None = None

    @property
    def job_key(self) -> JobKey:
        return JobKey(self.account, self.job_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt to send ended. `reason` None: the sink has taken the event.

    `detail`: for people, bounded, no secret. `retry_after_seconds`: what the receiver asked for.
    """

    reason: Reason | None = None
    detail: str | None = None
    retry_after_seconds: float | None = None
