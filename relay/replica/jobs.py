"""The jobs as any replica sees them: what is asked for goes to their owners, what is read comes from the images.

The images lag behind by as long as a commit takes, and by as long as a partition has no owner. What this replica has
acknowledged itself it shows meanwhile, and for what it does not know it waits until it knows better. Only a submission
waits for nobody: the same job that is submitted to two replicas at once is told to be new by both, and the ledger holds
it once.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from relay.core.callbacks import CallbacksFull
from relay.core.commands import Untrack
from relay.core.job import DELETED, Cursor, Job, JobKey, TrackRequest
from relay.core.observe import delete
from relay.core.record import JobView
from relay.core.tracking import track_all
from relay.errors import LedgerError
from relay.replica.asking import Asking
from relay.replica.barrier import Barrier
from relay.replica.pending import Pending
from relay.replica.ports_answers import JobRows, Shards, Waiters
from relay.shard.ports import Clock


class Jobs:
    """See relay.intake.Jobs."""

    def __init__(
        self, *, rows: JobRows, asking: Asking, barrier: Barrier, waiters: Waiters, shards: Shards, clock: Clock
    ) -> None:
        self._rows = rows
        self._barrier = barrier
        self._asking = asking
        self._waiters = waiters
        self._shards = shards
        self._clock = clock
        self._pending = Pending(partitions=asking.partitions, monotonic=clock.monotonic)
        self._underway: dict[JobKey, Job] = {}  # asked for, and not acknowledged
        self._looking = asyncio.Lock()

    async def track(self, requests: Sequence[TrackRequest]) -> Sequence[bool]:
        """Durable when it returns, and recorded by the owners as they come to it.

        A callback too many that the images do not show yet is found by the owner, who puts that request aside.
        """
        known = await self._newest({request.key for request in requests})
        tracked = track_all(requests, lambda key: self._underway.get(key) or known.get(key), self._clock.now())
        if tracked.full:
            raise CallbacksFull(tracked.full)
        new = {
            request.key: tracked.changed[request.key]
            for request, created in zip(requests, tracked.created, strict=True)
            if created
        }
        others = {request.key for request in requests} & self._underway.keys()
        unseen = {key: self._underway[key] for key in others} | new
        with self._taking(new):
            written = await self._asking.track(requests)
        for request, place in zip(requests, written, strict=True):
            if request.key in unseen:
                self._pending.put(place.partition, unseen[request.key], place.offset)
        return tracked.created

    @contextmanager
    def _taking(self, jobs: Mapping[JobKey, Job]) -> Iterator[None]:
        """Of those who ask for the same at the same time, the first one's is new."""
        self._underway |= jobs
        try:
            yield
        finally:
            for key in jobs:
                self._underway.pop(key, None)

    async def untrack(self, key: JobKey) -> bool:
        job = await self._find(key)
        if job is None:
            return False
        place = await self._asking.of_account(Untrack(account=key.account, id=key.id))
        self._pending.put(place.partition, delete(job), place.offset)
        return True

    async def read(self, key: JobKey) -> JobView | None:
        """When it is looked at next is known to its owner only."""
        job = await self._find(key)
        if job is None:
            return None
        if self._tentative([key]).get(key) is job:
            return JobView(job=job)
        owner = self._shards().get(self._asking.partition_of(key.account))
        next_poll_at = None if owner is None or job.terminal else owner.poller.next_poll_at(key.account)
        return JobView(job=job, deliveries=await self._rows.deliveries_of(job), next_poll_at=next_poll_at)

    async def _find(self, key: JobKey) -> Job | None:
        """The newest incarnation, unless it is deleted. What is not known may just have been asked for elsewhere."""
        job = (await self._newest([key])).get(key)
        if (job is None or job.state == DELETED) and key not in self._tentative([key]):
            await self._barrier.passed(self._asking.partition_of(key.account))
            job = (await self._newest([key])).get(key)
        return None if job is None or job.state == DELETED else job

    async def wait(self, key: JobKey, seconds: float) -> None:
        await self._waiters.wait(key, seconds, partial(self._over, key))

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]:
        """As the images show it."""
        return await self._rows.page(accounts=accounts, state=state, after=after, limit=limit)

    async def _over(self, key: JobKey) -> bool:
        job = (await self._newest([key])).get(key)
        return job is None or job.terminal

    async def _newest(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
        """The newest incarnations, as the images show them, or as this replica knows that they will be."""
        await self._look(keys)
        tentative = self._tentative(keys)
        others = [key for key in keys if key not in tentative]
        return {**await self._rows.find(others), **tentative} if others else tentative

    async def _look(self, keys: Collection[JobKey]) -> None:
        """See which of those that wait to be shown are.

        To be done before the images are asked for the jobs: what they show by then they do not hide again.
        """
        if self._worth_a_look(keys):
            async with self._looking:
                partitions = self._worth_a_look(keys)  # others may just have looked
                await asyncio.gather(*map(self._see, partitions))

    def _worth_a_look(self, keys: Collection[JobKey]) -> Collection[int]:
        """The partitions whose images may show by now what they did not."""
        return {*self._pending.due, *(self._asking.partition_of(key.account) for key in self._tentative(keys))}

    async def _see(self, partition: int) -> None:
        with suppress(LedgerError):  # an image that is read anew shows nothing
            marks = await self._rows.marks_of(partition)
            self._pending.shown(partition, self._asking.reached(partition, marks))

    def _tentative(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
        found = ((key, self._pending.find(self._asking.partition_of(key.account), key)) for key in keys)
        return {key: job for key, job in found if job is not None}
