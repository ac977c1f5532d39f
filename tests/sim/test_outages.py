"""A ledger that is slow, and out of order again and again while attempts are underway, in virtual time."""

import asyncio
from collections import Counter
from random import Random

import pytest
from sim.judging import assert_in_order
from sim.virtual import run
from sim.world import PlainSink, UnreliableLedger, World

from relay.core.delivery import Attempt, Schedule, Subscription
from relay.core.job import EventType
from relay.errors import LedgerError, Reason, Unavailable
from relay.simulator import SCENARIOS
from relay.simulator.plan import Fate

JOBS, OUTAGES, OVER_SECONDS = 40, 12, 240.0
TYPES = frozenset(EventType)


class Sluggish(UnreliableLedger):
    """Commits and reads take up to so many seconds; in an outage both fail, after a while."""

    def __init__(self, clock, random):
        super().__init__(clock)
        self._random = random

    async def commit(self, batch):
        await asyncio.sleep(self._random.choice((0.0, 0.01, 0.3)))
        await super().commit(batch)

    async def due(self, *arguments, **options):
        await self._look()
        return await super().due(*arguments, **options)

    async def next_due(self, *arguments):
        await self._look()
        return await super().next_due(*arguments)

    async def _look(self):
        await asyncio.sleep(self._random.choice((0.0, 0.005, 0.1)))
        now = self._clock.monotonic()
        if any(start <= now < end for start, end in self.outages):
            raise LedgerError("disk full")


class Stumbling(PlainSink):
    """Fails now and then, before it takes an event. `taken`: what it has said yes to."""

    def __init__(self, random, seconds):
        self._random, self._seconds = random, seconds
        self.taken = []

    async def send(self, event):
        await asyncio.sleep(self._random.uniform(0.0, self._seconds))
        if self._random.random() < 0.2:
            return Attempt(reason=self._random.choice((Reason.SERVER_ERROR, Reason.TIMEOUT, Reason.RATE_LIMITED)))
        self.taken.append(event)
        return Attempt()


def world_with_outages(seed):
    world, random = World(seed=seed, scenario=SCENARIOS["calm"]), Random(seed)
    world.ledger = Sluggish(world.clock, random)
    starts = [random.uniform(1.0, OVER_SECONDS) for _ in range(OUTAGES)]
    world.ledger.outages = [(start, start + random.choice((0.05, 1.0, 15.0))) for start in starts]
    world.schedule = Schedule(retry_seconds=[0.0, *[2.0] * 99])
    world.concurrency = random.choice((1, 2, 8))
    world.rates = {"slow": 2.0}
    world.receivers = {name: Stumbling(random, 2.0 if name == "slow" else 0.5) for name in ("slow", "quick")}
    world.subscriptions = [Subscription(sink=name, types=TYPES) for name in world.receivers]
    return world


@pytest.mark.parametrize("seed", range(12))
def test_no_outage_loses_an_event_or_sends_one_twice_that_was_taken(seed):
    """How an attempt has ended is recorded as soon as the ledger takes it; meanwhile nobody is asked again."""

    async def main():
        world = world_with_outages(seed)
        async with world.relay() as shard:
            ids = world.start_jobs(JOBS, work_seconds=60.0, fate=Fate.SUCCEEDED)
            for request in world.requests(ids):
                await track(shard, request)
                await asyncio.sleep(2.0)
            await asyncio.sleep(3_600.0)
        for sink in world.receivers.values():
            assert max(Counter(event.id for event in sink.taken).values()) == 1
            for job_id in ids:
                events = [event for event in sink.taken if event.subject == job_id]
                assert events[-1].type == "zendesk.job.completed"
                assert_in_order(events)

    run(main())


async def track(shard, request):
    while True:
        try:
            await shard.track([request])
        except Unavailable:
            await asyncio.sleep(0.5)
        else:
            return
