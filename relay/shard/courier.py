"""The delivery loop of one endpoint: claims what is due and begins attempts while there is room. Endpoints never wait
for each other.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from itertools import islice

from relay.core.delivery import Delivery, DeliveryState
from relay.core.endpoint import Trial
from relay.core.job import Job
from relay.core.standing import SinkState
from relay.core.standstill import Standstill
from relay.errors import LedgerError, Unavailable
from relay.shard.claims import Underway
from relay.shard.delivering import Delivering
from relay.shard.ports import Outbox, Surroundings
from relay.shard.publishing import Published, Publishing
from relay.shard.recording import Recording
from relay.shard.routes import Route
from relay.shard.settling import Change, Settle
from relay.shard.suspension import Suspension
from relay.shard.sweeping import SWEEP_SECONDS, sweep
from relay.shard.waiting import IDLE_SECONDS, wait_for
from relay.shard.writer import Writer

READY_MIN = 32  # claimed, and to follow: where one attempt goes first, it is the one of so many that has failed least
READY_MAX = 1_024  # for an endpoint so fast that it would wait for the ledger, beside a busy loop tens of milliseconds
READY_LEFT = 0.5  # of them when more are read
PREPARED_AHEAD = 15  # together with the next one
CLAIMS_MAX = 4  # times as many, with those that wait for their commit
RETRY_SECONDS = 0.1  # until the writer is asked again, if it is not known to be out of order
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
        self._ready_max = self._ready_min = max(2 * route.concurrency, READY_MIN)
        self._claimed = 0
        self._ready: deque[Underway] = deque()  # claimed, and not begun
        self._due = True  # whether the ledger may hold something that is due and not claimed
        self._due_at = -math.inf  # nothing else is due before, wall clock; -inf: not known
        self._last_read: Delivery | None = None  # of what is due: the next page goes on behind it
        self._released_at = math.inf  # when the earliest is due that was put back or passed over since
        self._swept_at = self.turned_at
        self._wake = asyncio.Event()
        self._stopping = False

    @property
    def idle(self) -> bool:
        """Nothing is owed, as far as is known."""
        return not (self._claimed or self._due or self._due_at < math.inf)

    def expect(self, row: Delivery, job: Job | None) -> None:
        """This pending delivery has been recorded. `job`: as it is recorded, if that is known.

        What is due is taken up at once, without asking the ledger, where nothing else waits there.
        """
        if self._writer.in_hand(row):
            return  # until it is let go; then it is looked at again
        now = self._around.clock.now()
        if row.due_at <= now:
            if self._due or self._due_at <= now or not self._take_up(row, job):
                self._look_for(row)
        elif row.due_at < self._due_at:
            self._due_at = row.due_at
        else:
            return
        self._wake.set()

    def _take_up(self, row: Delivery, job: Job | None) -> bool:
        if (
            job is None
            or self._stopping
            or self._full(self._ready_max)
            or self.endpoint.stands(self._around.clock.monotonic())
        ):
            return False
        self._ready.append(self._writer.take(row, job))
        self._claimed += 1
        return True

    def _full(self, ready: float) -> bool:
        return len(self._ready) >= ready or self._claimed >= CLAIMS_MAX * self._ready_max

    def _look_for(self, *rows: Delivery) -> None:
        """These are due and not claimed."""
        self._due = True
        self._released_at = min(self._released_at, *(row.due_at for row in rows))

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
                await self._claim()
            self._begin(attempts)
        if now - self._swept_at >= (SWEEP_SECONDS if stands else SLOW_SECONDS):
            self._swept_at = now
            await self._sweep()

    def _wants(self) -> bool:
        """More of what is due; pages make it cheap."""
        if self._full(READY_LEFT * self._ready_max):
            return False
        return self._due or self._due_at <= self._around.clock.now()

    async def _claim(self) -> None:
        now, limit = self._around.clock.now(), self._ready_max - len(self._ready)
        last = self._last_read
        after = None if last is None or self._released_at <= last.due_at else last
        self._due, self._last_read, self._released_at = False, None, math.inf
        try:
            taken, rows = await self._writer.claim(partial(self._outbox.due, self._name, now, limit, after=after))
            dry = not self._ready and after is not None
            self._claimed += len(taken)
            self._ready.extend(taken)
            if len(rows) == limit:
                self._due, self._last_read = True, rows[-1][0]
                self._ready_max = min(2 * self._ready_max, READY_MAX) if dry else self._ready_max
                return
            self._ready_max = self._ready_min
            if self._due_at <= now:
                self._due_at = math.inf
                due_at = await self._outbox.next_due(self._name, now)
                self._due_at = min(self._due_at, math.inf if due_at is None else due_at)
        except Unavailable:
            self._due_at = now + RETRY_SECONDS
        except LedgerError:
            self._due_at = now + IDLE_SECONDS

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
            if self.endpoint.stands(now):
                self._put_back()
                self._wake.set()
            elif self._wants():
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
                self._look_for(underway.delivery)
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
        if self._ready:
            self._look_for(*(underway.delivery for underway in self._ready))
        self._release(self._ready)
        self._ready.clear()

    def _release(self, done: Collection[Underway]) -> None:
        self._claimed -= len(done)
        for underway in done:
            self._writer.release(underway)

    async def _sweep(self) -> None:
        self._due, self._last_read = True, None  # for what follows what is given up, and was passed over meanwhile
        with suppress(LedgerError, Unavailable):  # what is too old is so in a minute, too
            await sweep(self._name, self.route.schedule, self._outbox, self._writer, self._around.clock)

    def _pause_seconds(self) -> float:
        now, wall = self._around.clock.monotonic(), self._around.clock.now()
        if self._ready or self.endpoint.stands(now):
            return self.endpoint.next_at(now) - now
        if self._wants():  # since this turn has looked
            return 0.0
        # What is due by now is claimed as soon as attempts have ended and made room.
        return self._due_at - wall if self._due_at > wall else math.inf

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
