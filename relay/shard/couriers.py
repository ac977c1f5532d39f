"""The couriers of a shard: one for each configured sink, and one for each origin of callbacks while any are owed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from relay.core.callbacks import CALLBACK, is_callback
from relay.core.delivery import PENDING, Delivery, Schedule
from relay.core.job import Job
from relay.core.record import Backlog
from relay.core.standstill import Standstill, decode, mark_of
from relay.errors import LedgerError, Unavailable
from relay.shard.courier import Courier
from relay.shard.ports import Backlogs, CallbackSinks, Subscriber, Surroundings
from relay.shard.routes import CallbackRoute, Route, SinkRoute
from relay.shard.suspension import Suspension
from relay.shard.sweeping import SWEEP_SECONDS, sweep
from relay.shard.waiting import wait_for
from relay.shard.writer import Writer

LOOK_SECONDS = 5.0
STALLED_SECONDS = 30.0  # a courier's loop turns every few seconds, whatever its endpoint does


class Couriers:
    """`source`: by account, the CloudEvents source of its events. `callbacks` None: they are not configured."""

    def __init__(
        self,
        *,
        subscribers: Sequence[Subscriber],
        callbacks: CallbackSinks | None,
        source: Callable[[str], str],
        outbox: Backlogs,
        writer: Writer,
        surroundings: Surroundings,
    ) -> None:
        self._callbacks = callbacks
        self._source = source
        self._outbox = outbox
        self._writer = writer
        self._around = surroundings
        self.suspension = Suspension()  # of attempts
        self._standstill: Standstill | None = None  # of all callbacks
        self._couriers: dict[str, Courier] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()
        for subscriber in subscribers:
            self._hire(SinkRoute(subscriber))

    def labelled(self, name: str) -> Sequence[Courier]:
        """That of the configured sink, or of `callback` all there are."""
        if name == CALLBACK:
            return [courier for courier in self._couriers.values() if courier.route.label == CALLBACK]
        return [self._couriers[name]] if name in self._couriers else []

    def load(self, marks: Mapping[str, bytes], backlog: Mapping[str, Backlog]) -> None:
        """Take up what the ledger holds; before `run`."""
        for name in {CALLBACK, *self._couriers}:
            mark = marks.get(mark_of(name))
            if mark is not None:
                self.stand_still(name, decode(mark))
        for endpoint, owed in backlog.items():
            if is_callback(endpoint) and owed.pending:
                self._hire(CallbackRoute(endpoint, self._callbacks))

    def publish(self, jobs: Iterable[Job], deliveries: Iterable[Delivery]) -> None:
        """These rows have been committed."""
        pending = [row for row in deliveries if row.state is PENDING]
        changed = {job.incarnation: job for job in jobs} if pending else {}
        for row in pending:
            courier = self._couriers.get(row.endpoint)
            if courier is None and is_callback(row.sink) and not self._stopping.is_set():
                courier = self._hire(CallbackRoute(row.endpoint, self._callbacks))
            if courier is not None:
                courier.expect(row, changed.get(row.incarnation))

    def stand_still(self, name: str, standstill: Standstill) -> None:
        if name == CALLBACK:
            self._standstill = standstill
        for courier in self.labelled(name):
            courier.stand_still(standstill)
            self._writer.publications.hold(courier.route.label)

    def resume(self, name: str) -> None:
        if name == CALLBACK:
            self._standstill = None
        for courier in self.labelled(name):
            courier.resume()
            self._writer.publications.let_go(courier.route.label)

    def stop(self) -> None:
        """Begin no further attempt; `run` returns when those underway are settled. Idempotent."""
        self._stopping.set()
        for courier in self._couriers.values():
            courier.stop()
        self.suspension.end()  # or they would wait to be resumed

    async def run(self) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            for courier in self._couriers.values():
                self._tasks.create_task(self._employ(courier))
            swept_at = self._around.clock.monotonic()
            while not self._stopping.is_set():
                now = self._around.clock.monotonic()
                if all(now - courier.turned_at < STALLED_SECONDS for courier in self._couriers.values()):
                    self._around.beat("couriers")
                if now - swept_at >= SWEEP_SECONDS and self._writer.healthy.is_set():
                    swept_at = now
                    await self._sweep_strangers()
                await wait_for(self._stopping, LOOK_SECONDS)

    def _hire(self, route: Route) -> Courier:
        courier = Courier(
            route=route,
            source=self._source,
            suspension=self.suspension,
            outbox=self._outbox,
            writer=self._writer,
            surroundings=self._around,
        )
        self._couriers[route.endpoint] = courier
        if route.label == CALLBACK and self._standstill is not None:
            courier.stand_still(self._standstill)
        if self._tasks is not None:
            self._tasks.create_task(self._employ(courier))
        return courier

    async def _employ(self, courier: Courier) -> None:
        await courier.run()
        while not (courier.idle or self._stopping.is_set()):  # something came while it was leaving
            await courier.run()
        del self._couriers[courier.route.endpoint]

    async def _sweep_strangers(self) -> None:
        """What is owed to sinks that are not configured any more waits for their return, but not for ever."""
        with suppress(LedgerError, Unavailable):  # what is too old is so in a minute, too
            for endpoint, owed in (await self._outbox.backlog()).items():
                if owed.pending and endpoint not in self._couriers and not is_callback(endpoint):
                    await sweep(endpoint, Schedule(), self._outbox, self._writer, self._around.clock)
