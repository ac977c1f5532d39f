"""The reference: what a ledger means, in the plainest way. For tests and for trying out; nothing survives it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from relay.core.callbacks import label_of
from relay.core.delivery import Delivery, DeliveryKey, DeliveryState
from relay.core.job import DELETED, Cursor, Event, EventType, Incarnation, Job, JobKey
from relay.core.record import (
    AlreadyKnown,
    Backlog,
    Batch,
    DeliveryFilter,
    EventFilter,
    EventPage,
    Positions,
    Retention,
)
from relay.errors import LedgerError


class MemoryLedger:
    """The `Ledger` as dictionaries."""

    def __init__(self) -> None:
        self._jobs: dict[Incarnation, Job] = {}
        self._deliveries: dict[Incarnation, dict[str, Delivery]] = {}
        self._marks: dict[str, bytes] = {}
        self._positions: dict[Incarnation, dict[EventType, int]] = {}
        self._known = Positions()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def commit(self, batch: Batch) -> None:
        known = await self.find(batch.unknown)
        if known:
            raise AlreadyKnown(known)
        jobs = self._jobs | {job.incarnation: job for job in batch.jobs}
        if any(delivery.incarnation not in jobs for delivery in batch.deliveries):
            raise LedgerError("a delivery belongs to a job that the ledger does not hold")
        if any(job.incarnation not in jobs for job, _ in batch.events):
            raise LedgerError("an event belongs to a job that the ledger does not hold")
        self._jobs = jobs
        for job, event in batch.events:
            self._positions.setdefault(job.incarnation, {})[event.type] = event.position
            self._known = replace(self._known, newest=max(self._known.newest, event.position))
        for delivery in batch.deliveries:
            self._deliveries.setdefault(delivery.incarnation, {})[delivery.sink] = delivery
        marks = {**self._marks, **batch.marks}
        self._marks = {name: value for name, value in marks.items() if value is not None}

    async def live(self, after: Job | None, limit: int) -> Sequence[tuple[Job, Sequence[Delivery]]]:
        if after is not None and after.incarnation not in self._jobs:
            raise LedgerError(f"job {after.account}/{after.id}, after which to go on, is not in the ledger")
        order = list(self._jobs)
        start = 0 if after is None else order.index(after.incarnation) + 1
        jobs = [self._jobs[key] for key in order[start:] if not self._jobs[key].terminal]
        return [(job, self._owed(job)) for job in jobs[:limit]]

    async def find(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
        return {key: job for key, job in self._newest().items() if key in keys}

    async def deliveries_of(self, job: Job) -> Sequence[Delivery]:
        return self._owed(job)

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]:
        jobs = [
            job
            for job in sorted(self._newest().values(), key=attrgetter("incarnation"), reverse=True)
            if job.state != DELETED
            and (accounts is None or job.account in accounts)
            and (state is None or job.state == state)
            and (after is None or job.incarnation < (after.tracked_at, after.account, after.id))
        ]
        return jobs[:limit]

    async def due(
        self, endpoint: str, now: float, limit: int, *, after: Delivery | None = None
    ) -> Sequence[tuple[Delivery, Job]]:
        due = [
            delivery
            for delivery in self._pending(endpoint)
            if delivery.due_at <= now and (after is None or _turn(delivery) > _turn(after))
        ]
        due.sort(key=_turn)
        return self._with_jobs(due[:limit])

    async def next_due(self, endpoint: str, after: float) -> float | None:
        return min((delivery.due_at for delivery in self._pending(endpoint) if delivery.due_at > after), default=None)

    async def overaged(self, endpoint: str, owed_before: float, limit: int) -> Sequence[tuple[Delivery, Job]]:
        old = [delivery for delivery in self._pending(endpoint) if delivery.since < owed_before]
        old.sort(key=lambda delivery: (delivery.since, delivery.key))
        return self._with_jobs(old[:limit])

    async def delivery(self, key: DeliveryKey) -> tuple[Delivery, Job] | None:
        found = [delivery for delivery in self._all() if delivery.key == key]
        return self._with_jobs(found)[0] if found else None

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        found = [
            delivery
            for delivery in self._all()
            if (after is None or delivery.key < after) and _fits_delivery(wanted, delivery)
        ]
        found.sort(key=lambda delivery: delivery.key, reverse=True)
        return self._with_jobs(found[:limit])

    async def backlog(self) -> Mapping[str, Backlog]:
        return {endpoint: self._backlog(endpoint) for endpoint in {delivery.endpoint for delivery in self._all()}}

    async def events(self, wanted: EventFilter, after: int, limit: int) -> EventPage:
        start = max(after, self._known.forgotten)
        fitting = [
            (job, event)
            for job, event in self._events()
            if event.position > start and job.state != DELETED and _fits_event(wanted, job, event)
        ]
        events = fitting[:limit]
        reached = events[-1][1].position if len(events) == limit else max(start, self._known.newest)
        return EventPage(
            events=events, reached=reached, more=any(event.position > reached for _, event in self._events())
        )

    async def position_before(self, moment: float) -> int:
        newer = [event.position for _, event in self._events() if event.detected_at >= moment]
        return max(min(newer, default=self._known.newest + 1) - 1, self._known.forgotten)

    async def positions(self) -> Positions:
        return self._known

    async def marks(self) -> Mapping[str, bytes]:
        return dict(self._marks)

    async def forget(self, retention: Retention, limit: int) -> int:
        gone = [key for key, job in self._jobs.items() if self._may_go(job, retention)][:limit]
        for key in gone:
            self._forget(key)
        return len(gone)

    async def size_bytes(self) -> int:
        return 0

    def _newest(self) -> Mapping[JobKey, Job]:
        return {job.key: job for job in sorted(self._jobs.values(), key=attrgetter("incarnation"))}

    def _owed(self, job: Job) -> Sequence[Delivery]:
        owed = self._deliveries.get(job.incarnation, {})
        return [owed[sink] for sink in sorted(owed)]

    def _all(self) -> Iterator[Delivery]:
        return (delivery for owed in self._deliveries.values() for delivery in owed.values())

    def _to(self, endpoint: str) -> Iterator[Delivery]:
        return (delivery for delivery in self._all() if delivery.endpoint == endpoint)

    def _pending(self, endpoint: str) -> Iterator[Delivery]:
        return (delivery for delivery in self._to(endpoint) if delivery.state is DeliveryState.PENDING)

    def _with_jobs(self, deliveries: Iterable[Delivery]) -> Sequence[tuple[Delivery, Job]]:
        return [(delivery, self._jobs[delivery.incarnation]) for delivery in deliveries]

    def _backlog(self, endpoint: str) -> Backlog:
        since = [delivery.since for delivery in self._pending(endpoint)]
        dead = sum(delivery.state is DeliveryState.DEAD for delivery in self._to(endpoint))
        return Backlog(pending=len(since), dead=dead, oldest_pending_since=min(since, default=None))

    def _events(self) -> Sequence[tuple[Job, Event]]:
        """By position."""
        held = [
            (self._jobs[incarnation], event)
            for incarnation, positions in self._positions.items()
            for event in self._jobs[incarnation].events
            if event.position == positions.get(event.type)
        ]
        return sorted(held, key=lambda found: found[1].position)

    def _may_go(self, job: Job, retention: Retention) -> bool:
        owed = self._owed(job)
        if not job.terminal or any(delivery.state is DeliveryState.PENDING for delivery in owed):
            return False
        if job.state == DELETED:
            return True
        ended_at = job.tracked_at if job.detected_at is None else job.detected_at
        return (
            ended_at < retention.finished_before
            and all(_settled(delivery) < retention.finished_before for delivery in owed)
            and all(_settled(delivery) < retention.dead_before for delivery in owed if _dead(delivery))
        )

    def _forget(self, key: Incarnation) -> None:
        job = self._jobs.pop(key, None)
        self._deliveries.pop(key, None)
        gone = max(self._positions.pop(key, {}).values(), default=0)
        if job is not None and job.state != DELETED:
            self._known = replace(self._known, forgotten=max(self._known.forgotten, gone))


def _dead(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.DEAD


def _settled(delivery: Delivery) -> float:
    return delivery.since if delivery.settled_at is None else delivery.settled_at


def _fits_delivery(wanted: DeliveryFilter, delivery: Delivery) -> bool:
    return (
        delivery.state is wanted.state
        and (wanted.sink is None or label_of(delivery.sink) == wanted.sink)
        and (wanted.since is None or delivery.since >= wanted.since)
        and (wanted.until is None or delivery.since < wanted.until)
    )


def _fits_event(wanted: EventFilter, job: Job, event: Event) -> bool:
    return (
        (wanted.accounts is None or job.account in wanted.accounts)
        and (wanted.job is None or job.id == wanted.job)
        and (wanted.types is None or event.type in wanted.types)
        and (wanted.since is None or event.detected_at >= wanted.since)
    )


def _turn(delivery: Delivery) -> tuple[float, float, DeliveryKey]:
    """The order in which what is due is made."""
    return delivery.due_at, delivery.since, delivery.key
