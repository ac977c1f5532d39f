"""The reference: what a ledger means, in the plainest way. For tests and for trying out; nothing survives it."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import DELETED, Cursor, Job, JobKey
from relay.core.record import AlreadyKnown, Backlog, Batch, Positions, Retention
from relay.errors import LedgerError

Incarnation = tuple[float, str, str]  # tracked_at, account, id


def _incarnation(job: Job) -> Incarnation:
    return (job.tracked_at, job.account, job.id)


def _job_of(delivery: Delivery) -> Incarnation:
    return (delivery.tracked_at, delivery.account, delivery.job_id)


def _urgency(delivery: Delivery) -> tuple[float, float, Incarnation]:
    return (delivery.due_at, delivery.since, _job_of(delivery))


class MemoryLedger:
    """The `Ledger` as dictionaries."""

    def __init__(self) -> None:
        self._jobs: dict[Incarnation, Job] = {}
        self._deliveries: dict[Incarnation, dict[str, Delivery]] = {}
        self._marks: dict[str, bytes] = {}
        self._newest_position = 0

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def commit(self, batch: Batch) -> None:
        known = await self.find(batch.unknown)
        if known:
            raise AlreadyKnown(known)
        jobs = self._jobs | {_incarnation(job): job for job in batch.jobs}
        if any(_job_of(delivery) not in jobs for delivery in batch.deliveries):
            raise LedgerError("a delivery belongs to a job that the ledger does not hold")
        self._jobs = jobs
        self._newest_position = max([self._newest_position, *(event.position for _, event in batch.events)])
        for delivery in batch.deliveries:
            self._deliveries.setdefault(_job_of(delivery), {})[delivery.sink] = delivery
        for job in batch.forgotten:
            self._forget(_incarnation(job))
        marks = {**self._marks, **batch.marks}
        self._marks = {name: value for name, value in marks.items() if value is not None}

    async def live(self, after: Job | None, limit: int) -> Sequence[tuple[Job, Sequence[Delivery]]]:
        if after is not None and _incarnation(after) not in self._jobs:
            raise LedgerError(f"job {after.account}/{after.id}, after which to go on, is not in the ledger")
        order = list(self._jobs)
        start = 0 if after is None else order.index(_incarnation(after)) + 1
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
            for job in sorted(self._newest().values(), key=_incarnation, reverse=True)
            if job.state != DELETED
            and (accounts is None or job.account in accounts)
            and (state is None or job.state == state)
            and (after is None or _incarnation(job) < (after.tracked_at, after.account, after.id))
        ]
        return jobs[:limit]

    async def due(self, sink: str, now: float, limit: int) -> Sequence[tuple[Delivery, Job]]:
        due = sorted((delivery for delivery in self._pending(sink) if delivery.due_at <= now), key=_urgency)
        return [(delivery, self._jobs[_job_of(delivery)]) for delivery in due[:limit]]

    async def next_due(self, sink: str, after: float) -> float | None:
        return min((delivery.due_at for delivery in self._pending(sink) if delivery.due_at > after), default=None)

    async def backlog(self) -> Mapping[str, Backlog]:
        sinks = {sink for owed in self._deliveries.values() for sink in owed}
        return {sink: self._backlog(sink) for sink in sinks}

    async def marks(self) -> Mapping[str, bytes]:
        return dict(self._marks)

    async def positions(self) -> Positions:
        return Positions(newest=self._newest_position)

    async def forget(self, retention: Retention, limit: int) -> int:
        gone = [key for key, job in self._jobs.items() if self._may_go(job, retention)][:limit]
        for key in gone:
            self._forget(key)
        return len(gone)

    async def size_bytes(self) -> int:
        return 0

    def _newest(self) -> Mapping[JobKey, Job]:
        return {job.key: job for job in sorted(self._jobs.values(), key=_incarnation)}

    def _owed(self, job: Job) -> Sequence[Delivery]:
        owed = self._deliveries.get(_incarnation(job), {})
        return [owed[sink] for sink in sorted(owed)]

    def _to(self, sink: str) -> Iterator[Delivery]:
        return (owed[sink] for owed in self._deliveries.values() if sink in owed)

    def _pending(self, sink: str) -> Iterator[Delivery]:
        return (delivery for delivery in self._to(sink) if delivery.state is DeliveryState.PENDING)

    def _backlog(self, sink: str) -> Backlog:
        since = [delivery.since for delivery in self._pending(sink)]
        dead = sum(delivery.state is DeliveryState.DEAD for delivery in self._to(sink))
        return Backlog(pending=len(since), dead=dead, oldest_pending_since=min(since, default=None))

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
        self._jobs.pop(key, None)
        self._deliveries.pop(key, None)


def _dead(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.DEAD


def _settled(delivery: Delivery) -> float:
    return delivery.since if delivery.settled_at is None else delivery.settled_at
