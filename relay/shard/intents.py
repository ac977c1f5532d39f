"""What may be asked of the writer. Each intent decides on a `Draft` by calling the core, and answers.

A draft is committed state with the changes of the batch being written laid over it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from relay.core.callbacks import CallbacksFull
from relay.core.delivery import Attempt, Delivery, Schedule, Subscription, owe, settle
from relay.core.job import DELETED, Event, Job, JobKey, TrackRequest
from relay.core.observe import Rules, delete, expire, give_up, observe, record, track, track_again
from relay.core.record import Batch
from relay.core.watch import Watch
from relay.shard.live import Live


class Incarnation(NamedTuple):
    account: str
    id: str
    tracked_at: float


class Errand(NamedTuple):
    """One delivery row, named."""

    incarnation: Incarnation
    sink: str


def incarnation_of(job: Job) -> Incarnation:
    return Incarnation(job.account, job.id, job.tracked_at)


def errand_of(delivery: Delivery) -> Errand:
    return Errand(Incarnation(delivery.account, delivery.job_id, delivery.tracked_at), delivery.sink)


@dataclass(slots=True, kw_only=True)
class Underway:
    """A delivery being attempted, kept up to date with what is committed meanwhile."""

    delivery: Delivery
    job: Job


class Draft:
    """One batch in the making. `found`: the newest rows of jobs that are not live, as far as is known by now.

    `position`: of the newest event so far.
    """

    def __init__(
        self,
        *,
        live: Live,
        underway: Mapping[Errand, Underway],
        subscriptions: Iterable[Subscription],
        found: Mapping[JobKey, Job],
        position: int,
        now: float,
    ) -> None:
        self.now = now
        self.position = position
        self.jobs: dict[Incarnation, Job] = {}
        self.deliveries: dict[Errand, Delivery] = {}
        self.events: list[tuple[Job, Event]] = []
        self.forgotten: list[Job] = []
        self.marks: dict[str, bytes | None] = {}
        self._live = live
        self._underway = underway
        self._subscriptions = tuple(subscriptions)
        self._newest: dict[tuple[str, str], Job] = dict(found.items())
        self._unknown: list[JobKey] = []

    @property
    def batch(self) -> Batch:
        return Batch(
            jobs=tuple(self.jobs.values()),
            events=tuple(self.events),
            deliveries=tuple(self.deliveries.values()),
            forgotten=tuple(self.forgotten),
            unknown=tuple(self._unknown),
            marks=self.marks,
        )

    def newest(self, key: JobKey) -> Job | None:
        """The newest incarnation, however it stands; None: nobody knows the job, which the commit makes sure of."""
        changed = self._newest.get(key)
        if changed is not None:
            return changed
        watch = self._live.get(key)
        if watch is None:
            self._unknown.append(key)
            return None
        return watch.job

    def job(self, incarnation: Incarnation, otherwise: Job) -> Job:
        """This incarnation as this batch leaves it; `otherwise`: as it is committed."""
        return self.jobs.get(incarnation, otherwise)

    def delivery(self, errand: Errand) -> Delivery | None:
        changed = self.deliveries.get(errand)
        if changed is not None:
            return changed
        underway = self._underway.get(errand)
        if underway is not None:
            return underway.delivery
        watch = self._live.get(JobKey(errand.incarnation.account, errand.incarnation.id))
        return None if watch is None else watch.deliveries.get(errand.sink)

    def put(self, job: Job) -> None:
        """A job that is new or has no new event."""
        self.jobs[incarnation_of(job)] = job
        self._newest[job.account, job.id] = job

    def put_event(self, job: Job) -> None:
        """A job that has got a new event: it is owed to every sink that wants it."""
        self.position += 1
        job = record(job, self.position)
        self.events.append((job, job.events[-1]))
        self.put(job)
        for subscription in self._subscriptions:
            errand = Errand(incarnation_of(job), subscription.sink)
            row = owe(job, self.delivery(errand), subscription, self.now)
            if row is not None:
                self.deliveries[errand] = row


class Intent(Protocol):
    @property
    def weight(self) -> int:
        """How many rows it is about, roughly."""

    def decide(self, draft: Draft) -> object:
        """Lay the changes over the draft; the result is the answer once they are durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Watch these jobs: all of them, or none. Answers with a bool for each, whether it is new, or why none is taken."""

    requests: Sequence[TrackRequest]

    @property
    def weight(self) -> int:
        return len(self.requests)

    def decide(self, draft: Draft) -> list[bool] | CallbacksFull:
        created: list[bool] = []
        full: list[int] = []
        changed: dict[JobKey, Job] = {}
        for index, request in enumerate(self.requests):
            before = changed.get(request.key) or draft.newest(request.key)
            after = track(request, draft.now) if before is None else track_again(before, request, draft.now)
            if after is None:
                full.append(index)
                continue
            created.append(before is None or after.tracked_at != before.tracked_at)
            if after is not before:
                changed[request.key] = after
        if full:
            return CallbacksFull(full)
        for job in changed.values():
            draft.put(job)
        return created


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrack:
    """Stop watching this job. Answers whether it was known."""

    key: JobKey
    weight: int = 1

    def decide(self, draft: Draft) -> bool:
        job = draft.newest(self.key)
        if job is None or job.state == DELETED:
            return False
        draft.put(delete(job))
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Zendesk said this about these jobs, each object changed since it was last recorded. `seen_at`: when."""

    seen: Sequence[tuple[Watch, dict[str, Any]]]
    seen_at: float
    rules: Rules

    @property
    def weight(self) -> int:
        return len(self.seen)

    def decide(self, draft: Draft) -> None:
        for watch, job_status in self.seen:
            before = draft.job(incarnation_of(watch.job), watch.job)
            after = observe(before, job_status, self.seen_at, self.rules)
            if after.sequence > before.sequence:
                draft.put_event(after)
            elif after is not before:
                draft.put(after)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """These jobs ended without a word from Zendesk: too old, or confirmed to be absent."""

    watches: Sequence[Watch]
    too_old: bool

    @property
    def weight(self) -> int:
        return len(self.watches)

    def decide(self, draft: Draft) -> None:
        for watch in self.watches:
            before = draft.job(incarnation_of(watch.job), watch.job)
            after = expire(before, draft.now) if self.too_old else give_up(before, draft.now)
            if after.sequence > before.sequence:
                draft.put_event(after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """An attempt to deliver has ended. `underway` is up to date with what was committed since it began."""

    underway: Underway
    attempted_sequence: int
    attempt: Attempt
    subscription: Subscription
    schedule: Schedule
    jitter: float
    weight: int = 1

    def decide(self, draft: Draft) -> Delivery:
        errand = errand_of(self.underway.delivery)
        row = settle(
            draft.deliveries.get(errand, self.underway.delivery),
            self.attempt,
            attempted_sequence=self.attempted_sequence,
            job=draft.job(errand.incarnation, self.underway.job),
            subscription=self.subscription,
            now=draft.now,
            schedule=self.schedule,
            jitter=self.jitter,
        )
        draft.deliveries[errand] = row
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Record a named value, which may be a secret; None removes it."""

    name: str
    value: bytes | None = field(repr=False)
    weight: int = 1

    def decide(self, draft: Draft) -> None:
        draft.marks[self.name] = self.value
