"""The delivery loop of one endpoint: claims what is due and begins attempts while there is room. Endpoints never wait
for each other.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import islice

from relay.core.delivery import Delivery, DeliveryState
from relay.core.endpoint import Trial
from relay.core.job import Job
from relay.core.standing import SinkState
from relay.core.standstill import Standstill
from relay.errors import LedgerError, Unavailable
from relay.shard.claims import Underway
from relay.shard.delivering import Delivering
from relay.shard.pages import Pages
from relay.shard.ports import Outbox, Surroundings
from relay.shard.publishing import Published, Publishing
from relay.shard.recording import Recording
from relay.shard.routes import Route
from relay.shard.settling import Change, Settle
from relay.shard.suspension import Suspension
from relay.shard.sweeping import SWEEP_SECONDS, sweep
from relay.shard.waiting import wait_for
from relay.shard.writer import Writer

READY_MIN = 32  # claimed, and to follow: where one attempt goes first, it is the one of so many that has failed least
READY_LEFT = 0.5  # of a page when the next one is claimed
CLAIMS_MAX = 4  # pages, with what is underway and what waits for its commit
PREPARED_AHEAD = 31  # together with the next one
SLOW_SECONDS = 3_600.0  # what is too old for an endpoint that goes on has so long to be tried after a start
LINGER_SECONDS = 60.0  # how long an endpoint that is not lasting stays while nothing is owed


class Courier:
    """`state`: since when it is so (wall clock) is `since`, None: from the start. `turned_at`: the loop's last turn.

    `source`: by account, the CloudEvents source of its events.
    """

    def __init__(
        self,
        *,
        route: Route,
        source: Callable[[str], str],
        suspension: Suspension,
        outbox: Outbox,
        writer: Writer,
        surroundings: Surroundings,
    ) -> None:
        self.route = route
        self._name = route.endpoint
        self.endpoint = route.open()
        self.state = SinkState.ACTIVE
        self.since: float | None = None
        self.turned_at = self._used_at = surroundings.clock.monotonic()
        self._suspension = suspension
        self._delivering = (
            Publishing(route=route, writer=writer, surroundings=surroundings)
            if route.in_ledger
            else Delivering(route=route, source=source, suspension=suspension, surroundings=surroundings)
        )
        self._recording = Recording(writer=writer, recorded=self._recorded)
        self._outbox = outbox
        self._writer = writer
        self._around = surroundings
        self._pages = Pages(
            self._name,
            size_min=max(2 * route.concurrency, READY_MIN),
            outbox=outbox,
            writer=writer,
            clock=surroundings.clock,
        )
        self._claimed = 0
        self._ready: deque[Underway] = deque()  # claimed, and not begun
        self._swept_at = self.turned_at
        self._wake = asyncio.Event()
        self._stopping = False

    @property
    def idle(self) -> bool:
        """Nothing is owed, as far as is known."""
        return not self._claimed and self._pages.idle

    def expect(self, row: Delivery, job: Job | None) -> None:
        """This pending delivery has been recorded. `job`: as it is recorded, if that is known.

        What is due is taken up at once, without asking the ledger, where nothing else waits there.
        """
        if self._writer.in_hand(row):
            return  # until it is let go; then it is looked at again
        if row.due_at <= self._around.clock.now():
            if self._pages.waiting or not self._take_up(row, job):
                self._pages.pass_over([row])
        elif not self._pages.expect(row.due_at):
            return
        self._wake.set()

    def _take_up(self, row: Delivery, job: Job | None) -> bool:
        if (
            job is None
            or self._stopping
            or self._full(self._pages.size)
            or self.endpoint.stands(self._around.clock.monotonic())
        ):
            return False
        self._ready.append(self._writer.take(row, job))
        self._claimed += 1
        return True

    def _full(self, ready: float) -> bool:
        return len(self._ready) >= ready or self._claimed >= CLAIMS_MAX * self._pages.size

    def stop(self) -> None:
        """Begin no further attempt; `run` returns when those underway are settled. Idempotent."""
        self._stopping = True
        self._wake.set()

    def stand_still(self, standstill: Standstill) -> None:
        """Until `resume`. Attempts underway end as they will."""
        self.endpoint.stop(standstill.state, standstill.error)
        self._note(since=standstill.since)
        self._wake.set()

    def resume(self) -> None:
        self.endpoint.resume(self._around.clock.monotonic())
        self._note()
        self._wake.set()

    async def run(self) -> None:
        """Until it is stopped, or has been idle for long if it is not lasting."""
        async with asyncio.TaskGroup() as attempts:
            while not (self._stopping or self._spent()):
                self.turned_at = self._around.clock.monotonic()
                if not self._writer.healthy.is_set():
                    await wait_for(self._writer.healthy)
                    continue
                if self._suspension.suspended:
                    await wait_for(self._suspension.lifted)
                    continue
                self._wake.clear()
                self._note()
                await self._turn(attempts)
                await wait_for(self._wake, self._pause_seconds())
            self._put_back()

    def _spent(self) -> bool:
        idle_seconds = self._around.clock.monotonic() - self._used_at
        return not self.route.lasting and self.idle and self.endpoint.stopped is None and idle_seconds > LINGER_SECONDS

    async def _turn(self, attempts: asyncio.TaskGroup) -> None:
        now = self._around.clock.monotonic()
        stands = self.endpoint.stands(now)
        if stands:
            self._put_back()
        else:
            if self._wants():
                taken = await self._pages.claim(self._ready, growing=self.endpoint.well)
                self._claimed += len(taken)
                self._ready.extend(taken)
            self._begin(attempts)
        if now - self._swept_at >= (SWEEP_SECONDS if stands else SLOW_SECONDS):
            self._swept_at = now
            await self._sweep()

    def _wants(self) -> bool:
        """Another page of what is due."""
        return not self._full(READY_LEFT * self._pages.size) and self._pages.waiting

    def _begin(self, attempts: asyncio.TaskGroup) -> None:
        now = self._around.clock.monotonic()
        while self._may_begin(now):
            attempts.create_task(self._attempts(attempts, self._next(), self.endpoint.begin(now)))

    def _may_begin(self, now: float) -> bool:
        stopping = self._stopping or self._suspension.suspended or not self._writer.healthy.is_set()
        return bool(self._ready and not stopping and self.endpoint.room(now))

    def _next(self) -> Underway:
        """Where one attempt goes first, the one that failed least: what a receiver cannot digest must not close it."""
        if self.endpoint.one_first:
            best = min(range(len(self._ready)), key=lambda index: self._ready[index].delivery.attempts)
            self._ready.rotate(-best)
        underway = self._ready.popleft()
        if underway.prepared is None:
            self._delivering.prepare((underway, *islice(self._ready, PREPARED_AHEAD)))
        return underway

    async def _attempts(self, attempts: asyncio.TaskGroup, underway: Underway, trial: Trial) -> None:
        """This one, and then others as long as there is room for one more: a task for each would cost too much."""
        more = True
        while more:
            ended = await self._delivering.attempt(underway, probe=trial.probe)
            now = self._used_at = self._around.clock.monotonic()
            self.endpoint.after(trial, ended.attempt if isinstance(ended, Settle | Published) else None, now)
            self._after(ended, underway, attempts)
            self._note()
            stands = self.endpoint.stands(now)
            if stands:
                self._put_back()
            if stands or self._wants():
                self._wake.set()
            more = self._may_begin(now)
            if more:
                underway, trial = self._next(), self.endpoint.begin(now)
                self._begin(attempts)

    def _after(
        self, ended: Settle | Change | Published | None, underway: Underway, attempts: asyncio.TaskGroup
    ) -> None:
        match ended:
            case None:  # nothing has come of it, and it is still due
                self._pages.pass_over([underway.delivery])
                self._release([underway])
                self._wake.set()
            case Published():
                self._recorded([underway])
            case _:
                self._recording.add(ended, attempts)

    def _recorded(self, done: Collection[Underway]) -> None:
        self._release(done)
        for underway in done:
            if underway.delivery.state is DeliveryState.PENDING:
                self.expect(underway.delivery, underway.job)
        if self._wants() or self._ready:  # those could not begin while the ledger was out of order
            self._wake.set()

    def _put_back(self) -> None:
        """What was claimed and not begun, unharmed."""
        self._pages.put_back([underway.delivery for underway in self._ready])
        self._release(self._ready)
        self._ready.clear()

    def _release(self, done: Collection[Underway]) -> None:
        self._claimed -= len(done)
        for underway in done:
            self._writer.release(underway)

    async def _sweep(self) -> None:
        self._pages.begin_anew()  # for what follows what is given up
        with suppress(LedgerError, Unavailable):  # what is too old is so in a minute, too
            await sweep(self._name, self.route.schedule, self._outbox, self._writer, self._around.clock)

    def _pause_seconds(self) -> float:
        now, wall = self._around.clock.monotonic(), self._around.clock.now()
        if self._ready or self.endpoint.stands(now):
            return self.endpoint.next_at(now) - now
        if self._wants():  # since this turn has looked
            return 0.0
        # What is due by now is claimed as soon as attempts have ended and made room.
        return self._pages.due_at - wall if self._pages.due_at > wall else math.inf

    def _note(self, since: float | None = None) -> None:
        """Say once that the endpoint has come into another state."""
        state = self.endpoint.state(self._around.clock.monotonic())
        if state is self.state:
            return
        before, self.state = self.state, state
        self.since = self._around.clock.now() if since is None else since
        log, error = self._around.log, self.endpoint.error
        match before, state:
            case _, SinkState.PAUSED:
                log.info("sink.paused", sink=self._name)
            case _, SinkState.DISABLED:
                log.warning("sink.disabled", sink=self._name, error=error)
            case _, SinkState.FAILING:
                log.warning("sink.failing", sink=self._name, error=error)
            case SinkState.FAILING, _:
                log.info("sink.recovered", sink=self._name)
            case ((SinkState.PAUSED | SinkState.DISABLED), _):
                log.info("sink.resumed", sink=self._name)
