"""The owner of a set of accounts: their live jobs in memory, their budgets, the deliveries their events owe."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from relay.core.callbacks import CallbacksFull
from relay.core.commands import Command
from relay.core.delivery import Delivery
from relay.core.events import TERMINAL_TYPES
from relay.core.job import DELETED, Cursor, Job, JobKey, TrackRequest
from relay.core.record import JobView
from relay.core.standing import AccountStanding
from relay.errors import LedgerLost
from relay.shard.couriers import Couriers
from relay.shard.executing import NO_MARKS, Executing, Marks
from relay.shard.feed import Feed
from relay.shard.housekeeping import Housekeeping
from relay.shard.intents import Track, Untrack
from relay.shard.live import Live
from relay.shard.poller import Poller
from relay.shard.ports import Account, CallbackSinks, Polling, Record, Settings, Subscriber, Surroundings
from relay.shard.sinks import Sinks
from relay.shard.standings import Standings
from relay.shard.waiters import Waiters
from relay.shard.waiting import in_turns
from relay.shard.writer import Writer

LOAD_PAGE = 5_000
DRAIN_SECONDS = 7.0  # for attempts underway; `docker stop` puts up with 10 s in all


class Shard:
    """Everything that happens to jobs. Build it, `load` it, then `run` it until it is cancelled; `drain` before.

    `feed`: told of all events that are recorded; it may have been, and may be again, another's who owns the same jobs.
    """

    def __init__(  # noqa: PLR0913 - what is watched and recorded, and who is told
        self,
        *,
        record: Record,
        accounts: Sequence[Account],
        subscribers: Sequence[Subscriber],
        callbacks: CallbackSinks | None = None,
        feed: Feed,
        settings: Settings,
        surroundings: Surroundings,
    ) -> None:
        self._record = record
        self._settings = settings
        self._around = surroundings
        self._waiters = Waiters()
        self._watching: list[asyncio.Task[None]] = []
        self._delivering: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self.live = Live()
        self._writer = Writer(
            recorder=record,
            live=self.live,
            subscriptions=[subscriber.subscription for subscriber in subscribers],
            published=self._published,
            source=feed.source,
            surroundings=surroundings,
        )
        self.poller = Poller(
            accounts=accounts,
            writer=self._writer,
            settings=settings,
            surroundings=surroundings,
            random=surroundings.random,
        )
        posts = self.poller.posts
        self._standings = Standings(live=self.live, posts=posts, polling=self._polling, clock=surroundings.clock)
        self._housekeeping = Housekeeping(
            record=record,
            live=self.live,
            posts=posts,
            polling=self._polling,
            writer=self._writer,
            surroundings=surroundings,
        )
        self._feed = feed
        self._feed.sources.update({account.name: account.source for account in accounts})
        self._couriers = Couriers(
            subscribers=subscribers,
            callbacks=callbacks,
            source=feed.source,
            outbox=record,
            writer=self._writer,
            surroundings=surroundings,
        )
        self._executing = Executing(couriers=self._couriers, writer=self._writer)
        self.sinks = Sinks(
            subscribers=subscribers,
            callbacks=callbacks,
            couriers=self._couriers,
            executing=self._executing,
            record=record,
            surroundings=surroundings,
        )

    async def load(self) -> int:
        """Take up the ledger's live jobs; how many there are. Raises LedgerError."""
        rows: list[tuple[Job, Sequence[Delivery]]] = []
        while page := await self._record.live(rows[-1][0] if rows else None, LOAD_PAGE):
            rows.extend(page)
        self.live.load(rows)
        newest = (await self._record.positions()).newest
        self._writer.resume(newest)
        self._feed.resume(newest)
        marks = await self._record.marks()
        self.poller.resume(marks)
        self._couriers.load(marks, await self._record.backlog())
        for account in self.live.accounts():
            self.poller.add(self.live.of(account))
        return len(rows)

    async def configure(self, accounts: Sequence[Account], removed: Collection[str], polling: Polling) -> None:
        """`accounts`: new or changed; `removed`: no longer configured; `polling`: as in the settings.

        Raises LedgerError: some of it is done already, and all of it may be asked for again.
        """
        self._settings = replace(self._settings, polling=polling)
        async for name in in_turns(removed):
            self.poller.remove(name)
        added = {account.name for account in accounts} - self.poller.posts.keys()
        marks: Mapping[str, bytes] = {}
        if added:
            await self.poller.settled(added)
            marks = await self._record.marks()
        async for account in in_turns(accounts):
            self._put(account, marks)

    def _put(self, account: Account, marks: Mapping[str, bytes]) -> None:
        self._feed.sources[account.name] = account.source
        if self.poller.put(account, marks):
            self.poller.add(self.live.of(account.name))

    async def run(self) -> None:
        """Returns after `drain`. Raises LedgerLost, when whoever waited has been refused; or what a loop raised: a bug.

        Nothing goes on once it has ended, however it did.
        """
        try:
            async with asyncio.TaskGroup() as loops:
                watching = (self.poller.run(), self._housekeeping.run(self._settings))
                self._watching = [loops.create_task(loop) for loop in watching]
                self._delivering = loops.create_task(self._couriers.run())
                self._writing = loops.create_task(self._writer.run())
        except ExceptionGroup as raised:
            lost, bugs = raised.split(LedgerLost)
            if lost is None or bugs is not None:
                raise
            raise lost.exceptions[0] from None
        finally:
            self._waiters.release()

    def suspend(self) -> None:
        """Begin no request and no attempt, and cut short those underway: whether the jobs are still ours is in doubt.

        What came of them is unknown, so a request counts for the rate budget, and an attempt for nothing. Whoever waits
        for a job is told how it stands. What is asked to be recorded is still recorded. Idempotent.
        """
        self.poller.suspension.begin()
        self._couriers.suspension.begin()
        self._waiters.release()

    def resume(self) -> None:
        """Go on where it was. Idempotent."""
        self.poller.suspension.end()
        self._couriers.suspension.end()

    async def drain(self) -> None:
        """Stop polling, let attempts underway end, record what was accepted. Bounded, idempotent, safe before `run`."""
        await asyncio.gather(self._stop_watching(), self._stop_delivering())
        self._writer.drain()
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=DRAIN_SECONDS)

    async def _stop_watching(self) -> None:
        await self.poller.stop(DRAIN_SECONDS)
        for task in self._watching:
            task.cancel()

    async def _stop_delivering(self) -> None:
        self._couriers.stop()
        if self._delivering is not None:
            # How an attempt ends cannot be recorded while the ledger is out of order: no reason to wait for it.
            patience = DRAIN_SECONDS if self._writer.healthy.is_set() else 0.0
            await asyncio.wait([self._delivering], timeout=patience)
            self._delivering.cancel()

    async def track(self, requests: Sequence[TrackRequest], marks: Marks = NO_MARKS) -> Sequence[bool]:
        """Watch these jobs; for each, whether it is new. Durable on return, and so are the `marks` (None removes one).

        Raises CallbacksFull or Unavailable.
        """
        created: Sequence[bool] | CallbacksFull = await self._writer.submit(Track(requests=requests, marks=marks))
        if isinstance(created, CallbacksFull):
            raise created
        return created

    async def execute(self, commands: Sequence[Command], marks: Marks) -> None:
        """See Executing."""
        await self._executing.execute(commands, marks)

    async def untrack(self, key: JobKey) -> bool:
        """Stop watching; whether the job was known. Deliveries that are owed go on. Raises Unavailable."""
        known: bool = await self._writer.submit(Untrack(key=key))
        return known

    async def read(self, key: JobKey) -> JobView | None:
        """The job as it is committed. Raises LedgerError."""
        job = (await self._record.find([key])).get(key)
        if job is None or job.state == DELETED:
            return None
        next_poll_at = None if job.terminal else self.poller.next_poll_at(key.account)
        return JobView(job=job, deliveries=await self._record.deliveries_of(job), next_poll_at=next_poll_at)

    async def wait(self, key: JobKey, seconds: float) -> None:
        """Return when the job has ended, the time is up, or it is in doubt whether the job is still ours."""
        if self.live.get(key) is not None and not self.poller.suspension.suspended:
            await self._waiters.wait(key, seconds)

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]:
        """Newest first. Raises LedgerError."""
        return await self._record.page(accounts=accounts, state=state, after=after, limit=limit)

    async def standing(self) -> Sequence[AccountStanding]:
        """How every account stands that is configured or has live jobs; of very many, not all at the same moment."""
        return await self._standings.all()

    def _published(self, jobs: Sequence[Job], deliveries: Sequence[Delivery]) -> None:
        """The commit is durable: let memory, counters and everybody who waits know."""
        self._feed.publish(jobs)
        self.poller.add([self.live.add(job) for job in jobs if not self._publish_change(job) and not job.terminal])
        for row in deliveries:
            watch = self.live.find(row.account, row.job_id)
            if watch is not None and watch.job.tracked_at == row.tracked_at:
                watch.deliveries = {**watch.deliveries, row.sink: row}
        self._couriers.publish(jobs, deliveries)

    def _publish_change(self, job: Job) -> bool:
        """False: it is not live, or another incarnation of it is."""
        watch = self.live.get(job)
        if watch is None or watch.job.tracked_at != job.tracked_at:
            return False
        if job.sequence > watch.job.sequence:
            self._count(job, watch.job.sequence)
        self.live.change(watch, job)
        self._waiters.tell((job,))
        return True

    def _count(self, job: Job, after_sequence: int) -> None:
        """A job that was seen twice while one commit ran has got several events at once."""
        for event in job.events:
            if event.sequence > after_sequence:
                outcome = job.outcome if event.type in TERMINAL_TYPES else None
                self._around.metrics.event(event.type, outcome or "none")
        if job.terminal and job.completed_at is not None and job.detected_at is not None:
            stated = datetime.fromisoformat(job.completed_at).timestamp()
            self._around.metrics.detected(job.account, max(0.0, job.detected_at - stated))

    def _polling(self, account: str) -> Polling:
        post = self.poller.posts.get(account)
        return self._settings.polling if post is None else post.account.polling
