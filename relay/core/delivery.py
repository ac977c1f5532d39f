"""What is owed to whom: one row for a job and a sink, pointing at the event that the sink gets next.

The events stand in the job's row; a delivery is a cursor over them. So order per job, the replacement of an old
progress event by a newer one and the precedence of the terminal event need no bookkeeping: see `next_event`.

The shard calls `owe` when a job got an event, `owed` when a row is due, `settle` when the attempt has ended, and
commits what comes back. The job may get further events while an attempt is in flight: `settle` is told what was sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from relay.core.events import TERMINAL_TYPES
from relay.core.job import Event, EventType, Incarnation, Job, Outcome
from relay.errors import Reason

RETRY_SECONDS = (0.0, 5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
JITTER = 0.1  # a wait may be this much longer than stated, so that what failed together does not return together
RETRY_AFTER_SECONDS_MAX = 3_600.0  # a receiver may not put us off for longer at a time
PUT_BACK_SECONDS_MAX = 5.0  # after an attempt that does not count, so that another delivery is tried before
ATTEMPT_SECONDS_MAX = 60.0  # what an attempt may take, when the age of a delivery is judged
ERROR_CHARACTERS_MAX = 200
EVERY_ACCOUNT = ("*",)


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


PENDING, DELIVERED, DEAD = DeliveryState  # to find them in their class takes ten times as long


class DeliveryKey(NamedTuple):
    """Names the row of one sink and one incarnation of a job."""

    tracked_at: float
    account: str
    job_id: str
    sink: str


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """The newest dealings with one sink about one incarnation of a job.

    `sink`: the name of a configured one, or what `core.callbacks` calls the receiver that a submitter named.
    `sequence`: the event owed while PENDING, else the last one that was delivered or given up.
    `since`: when that event became owed; newer progress inherits it from the progress that it replaces.
    `due_at`: the next attempt. `attempts`: those that failed, and the one that succeeded.
    `settled_at`: when it was delivered or given up. `error`: what went wrong at the last attempt, for people.
    """

    account: str
    job_id: str
    tracked_at: float
    sink: str
    sequence: int
    since: float
    due_at: float
    state: DeliveryState = PENDING
    attempts: int = 0
    settled_at: float | None = None
    error: str | None = None

    @property
    def key(self) -> DeliveryKey:
        return DeliveryKey(self.tracked_at, self.account, self.job_id, self.sink)

    @property
    def incarnation(self) -> Incarnation:
        """The job's."""
        return self.tracked_at, self.account, self.job_id

    @property
    def endpoint(self) -> str:
        return endpoint_of(self.sink)


def endpoint_of(sink: str) -> str:
    """Whose limits and troubles its deliveries share: the sink's, or for a callback those of all at the same origin."""
    return sink.partition("#")[0]


class Attempt(Struct, frozen=True, kw_only=True, gc=False):
    """How one attempt to send ended. `reason` None: the sink has taken the event.

    `detail`: for people, bounded, no secret. `retry_after_seconds`: what the receiver asked for.
    """

    reason: Reason | None = None
    detail: str | None = None
    retry_after_seconds: float | None = None

    @property
    def error(self) -> str | None:
        if self.reason is None:
            return None
        return ": ".join(filter(None, (self.reason, self.detail)))[:ERROR_CHARACTERS_MAX]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What one sink wants to hear. `accounts`: glob patterns. `outcomes`: of terminal events; None: all.

    `resumable`: if its receiver is gone (410), deliveries wait until somebody resumes it; otherwise they are dead.
    `in_ledger`: the ledger publishes its events itself, with what it records about them: see `core.record.Message`.
    """

    sink: str
    types: frozenset[EventType] = TERMINAL_TYPES
    outcomes: frozenset[Outcome] | None = None
    accounts: tuple[str, ...] = EVERY_ACCOUNT
    resumable: bool = True
    in_ledger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The wait before each attempt; so many attempts, and then the delivery is dead."""

    retry_seconds: Sequence[float] = RETRY_SECONDS

    @property
    def age_seconds_max(self) -> float:
        """The longest that all attempts can take one after another. What is older was held up by something else."""
        return sum(self.retry_seconds) * (1 + JITTER) + len(self.retry_seconds) * ATTEMPT_SECONDS_MAX


class Verdict(StrEnum):
    """What an attempt means for its delivery."""

    DELIVERED = "delivered"
    GONE = "gone"  # for good: its receiver is gone, and nobody could bring it back
    HELD = "held"  # until somebody resumes the sink
    PUT_BACK = "put_back"  # behind what else is due; the attempt does not count
    FAILED = "failed"  # again after the schedule's next wait


FAILED_ATTEMPTS = frozenset({Verdict.GONE, Verdict.FAILED})


def verdict(attempt: Attempt, *, resumable: bool = True, probe: bool = False) -> Verdict:
    """`resumable`: see Subscription. `probe`: see `settle`."""
    if attempt.reason is None:
        return Verdict.DELIVERED
    if attempt.reason is Reason.GONE:
        return Verdict.HELD if resumable else Verdict.GONE
    return Verdict.PUT_BACK if probe or asks_for_time(attempt) else Verdict.FAILED


def asks_for_time(attempt: Attempt) -> bool:
    """The receiver is well but cannot take more, and says so by 429, or by telling when it will be able again."""
    return attempt.reason is Reason.RATE_LIMITED or (
        attempt.reason is Reason.UNAVAILABLE and attempt.retry_after_seconds is not None
    )


def wants(subscription: Subscription, job: Job, event: Event) -> bool:
    if event.type not in subscription.types:
        return False
    if event.type in TERMINAL_TYPES and subscription.outcomes is not None and job.outcome not in subscription.outcomes:
        return False
    return concerns(job.account, subscription)


def concerns(account: str, subscription: Subscription) -> bool:
    """Whether the sink wants to hear of this account at all."""
    return subscription.accounts == EVERY_ACCOUNT or any(
        fnmatchcase(account, pattern) for pattern in subscription.accounts
    )


def next_event(job: Job, after_sequence: int, subscription: Subscription) -> Event | None:
    """What the sink gets after the event of that sequence (0: from the start); None: nothing more, so far.

    The terminal event goes before all that is still undelivered, and nothing goes after it. It takes this precedence
    only where the sink wants it: a sink that does not must not lose its earlier events to an event it never sees.
    """
    if after_sequence >= job.sequence:  # so it mostly is, and this is asked several times for each delivery
        return None
    last = job.events[-1]
    if last.type in TERMINAL_TYPES and wants(subscription, job, last):  # so it mostly is
        return last
    following = (event for event in job.events if event.sequence > after_sequence)
    return next((event for event in following if wants(subscription, job, event)), None)


def owed(delivery: Delivery, job: Job, subscription: Subscription) -> Event | None:
    """What to send for the row: the event it names, or the one that has taken its place.

    None: the subscription has changed since, and nothing is wanted any more; `owe` closes such a row.
    """
    return next_event(job, delivery.sequence - 1, subscription)


def owe(job: Job, delivery: Delivery | None, subscription: Subscription, now: float) -> Delivery | None:
    """The sink's row, changed to what is owed now that the job has got a new event. None: it stays as it is.

    `delivery`: the row of this incarnation, if there is one.
    """
    if delivery is None:
        first = next_event(job, 0, subscription)
        return None if first is None else _first(job, first, subscription, now)
    if delivery.state is not PENDING:
        following = next_event(job, delivery.sequence, subscription)
        return None if following is None else _restart(delivery, following, now)
    event = owed(delivery, job, subscription)
    if event is None:
        return replace(delivery, state=DELIVERED, settled_at=now, error="no longer subscribed")
    if event.sequence == delivery.sequence:
        return None
    if event.type in TERMINAL_TYPES:
        return _restart(delivery, event, now)
    # An endpoint in trouble stays in back-off, however fast progress comes.
    return replace(delivery, sequence=event.sequence)


def settle(  # noqa: PLR0913 - the row, what was tried, and all that decides
    delivery: Delivery,
    attempt: Attempt,
    *,
    attempted_sequence: int,
    job: Job,
    subscription: Subscription,
    now: float,
    schedule: Schedule,
    jitter: float,
    probe: bool = False,
) -> Delivery:
    """The row after an attempt to send the event of `attempted_sequence`. `jitter`: random, 0 ≤ jitter < 1.

    `delivery` and `job` are the newest: if they moved on to the terminal event meanwhile, the attempt was about
    something that is no longer owed and changes nothing. `probe`: it was made to see whether an endpoint still fails.
    """
    if delivery.state is not PENDING:
        return delivery
    current = owed(delivery, job, subscription)
    if current is not None and current.type in TERMINAL_TYPES and current.sequence != attempted_sequence:
        return delivery if delivery.sequence == current.sequence else _restart(delivery, current, now)
    meaning = verdict(attempt, resumable=subscription.resumable, probe=probe)
    if meaning is Verdict.DELIVERED:
        return delivered(delivery, attempted_sequence, job, subscription, now)
    counted = delivery.attempts + (meaning in FAILED_ATTEMPTS)
    tried = replace(delivery, sequence=attempted_sequence, attempts=counted, error=attempt.error)
    if meaning is Verdict.GONE:
        return _close(tried, job, subscription, now)
    if meaning is Verdict.FAILED and counted >= len(schedule.retry_seconds):
        return _close(tried, job, subscription, now)
    if meaning is not Verdict.HELD and too_old(tried, schedule, now):
        return _close(tried, job, subscription, now)
    wait = _wait_seconds(meaning, attempt, delivery.attempts, schedule)
    return replace(
        tried,
        # The row may name newer progress by now; it keeps its place in the back-off.
        sequence=attempted_sequence if current is None else current.sequence,
        due_at=now + wait * (1 + JITTER * jitter),
    )


def delivered(delivery: Delivery, sequence: int, job: Job, subscription: Subscription, now: float) -> Delivery:
    """The row after its sink has taken the event of that sequence: on to the next, if there is one."""
    following = next_event(job, sequence, subscription)
    if following is not None:
        return _restart(delivery, following, now)
    return replace(
        delivery,
        sequence=sequence,
        state=DELIVERED,
        attempts=delivery.attempts + 1,
        settled_at=now,
        error=None,
    )


def too_old(delivery: Delivery, schedule: Schedule, now: float) -> bool:
    """Owed for longer than all of the schedule's attempts can take."""
    return now - delivery.since > schedule.age_seconds_max


def overage(delivery: Delivery, job: Job, subscription: Subscription, *, schedule: Schedule, now: float) -> Delivery:
    """A PENDING row of an endpoint that stands still: given up when it is too old. Otherwise it stays as it is."""
    if delivery.state is not PENDING or not too_old(delivery, schedule, now):
        return delivery
    return give_up(delivery, job, subscription, delivery.error or "held up until it was too old", now)


def give_up(delivery: Delivery, job: Job, subscription: Subscription, error: str, now: float) -> Delivery:
    """The event that the row names will not be delivered. `error`: why, for people."""
    return _close(replace(delivery, error=error), job, subscription, now)


def revive(delivery: Delivery, job: Job, subscription: Subscription, now: float) -> Delivery | None:
    """A person asks for it: what waits is due at once, what is dead or delivered is owed again, with all attempts.

    None: there is nothing that the sink would get.
    """
    event = owed(delivery, job, subscription)
    if event is None:
        return None
    if delivery.state is PENDING:
        return replace(delivery, due_at=now)
    return _restart(delivery, event, now)


def _first(job: Job, event: Event, subscription: Subscription, now: float) -> Delivery:
    return Delivery(
        account=job.account,
        job_id=job.id,
        tracked_at=job.tracked_at,
        sink=subscription.sink,
        sequence=event.sequence,
        since=now,
        due_at=now,
    )


def _restart(delivery: Delivery, event: Event, now: float) -> Delivery:
    """Owed from now, at once, whatever was before."""
    return replace(
        delivery,
        sequence=event.sequence,
        since=now,
        due_at=now,
        state=PENDING,
        attempts=0,
        settled_at=None,
        error=None,
    )


def _wait_seconds(meaning: Verdict, attempt: Attempt, failed: int, schedule: Schedule) -> float:
    """Before the next attempt of a row that had `failed` attempts before this one."""
    if meaning is Verdict.HELD:
        return 0.0
    following = schedule.retry_seconds[min(failed + 1, len(schedule.retry_seconds) - 1)]
    own = min(following, PUT_BACK_SECONDS_MAX) if meaning is Verdict.PUT_BACK else following
    return max(own, min(attempt.retry_after_seconds or 0.0, RETRY_AFTER_SECONDS_MAX))


def _close(delivery: Delivery, job: Job, subscription: Subscription, now: float) -> Delivery:
    """The event that the row names is given up: on to the next, if there is one."""
    following = next_event(job, delivery.sequence, subscription)
    if following is not None:
        return _restart(delivery, following, now)
    return replace(delivery, state=DEAD, settled_at=now)
