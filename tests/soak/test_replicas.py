"""Twenty rounds of misfortune, at random, for three replicas under load."""

import asyncio
import time
from random import Random

import pytest
from integration.replicas import (
    SESSION_SECONDS,
    assert_budgets_held,
    assert_nobody_returned,
    assert_told_exactly_once,
    replicas,
)

ROUNDS = 20
REPLICAS = ("a", "b", "c")
REST_SECONDS_MAX = 3.0
OWNED_SECONDS_MAX = SESSION_SECONDS + 40.0


class Fortune:
    """What befalls the replicas. `sleeps`: who slept, and when they woke."""

    def __init__(self, found, broker, chance):
        self._found = found
        self._broker = broker
        self._chance = chance
        self.sleeps = []

    async def strike(self):
        """One misfortune, from which they recover."""
        befall = self._chance.choice((self._kill, self._kill, self._stop, self._freeze, self._join, self._lose_broker))
        print(f"{befall.__name__.strip('_')} …", end=" ", flush=True)
        began = time.monotonic()
        await befall()
        await self._found.all_owned(seconds=OWNED_SECONDS_MAX, by=len(REPLICAS))
        print(f"{time.monotonic() - began:.1f} s", flush=True)
        await asyncio.sleep(self._chance.uniform(0, REST_SECONDS_MAX))

    async def _kill(self):
        name = self._chance.choice(REPLICAS)
        await self._found.kill(name)
        if self._chance.random() < 0.5:
            await self._found.all_owned(seconds=OWNED_SECONDS_MAX)
        await self._found.start(name)

    async def _stop(self):
        name = self._chance.choice(REPLICAS)
        await self._found.stop(name)
        await self._found.start(name)

    async def _freeze(self):
        name = self._chance.choice(REPLICAS)
        self._found.freeze(name)
        taken_over = self._chance.random() < 0.7
        if taken_over:
            await self._found.all_owned(seconds=OWNED_SECONDS_MAX)
        else:
            await asyncio.sleep(self._chance.uniform(0, SESSION_SECONDS / 2))
        woke_at = time.time()
        self._found.thaw(name)
        if taken_over:
            self.sleeps.append((name, woke_at))

    async def _join(self):
        """A fourth one comes and goes: two rebalances in which everybody lives."""
        await self._found.start("d")
        await asyncio.sleep(self._chance.uniform(0, REST_SECONDS_MAX))
        await self._found.stop("d")

    async def _lose_broker(self):
        self._broker.kill()
        await asyncio.sleep(self._chance.uniform(0, 2 * SESSION_SECONDS))
        await asyncio.to_thread(self._broker.start)


@pytest.mark.timeout(3_600)
async def test_twenty_rounds_of_kills_stops_sleeps_rebalances_and_outages(tmp_path, kafka, broker):
    """What was acknowledged ends exactly once for whoever reads what is committed, and budgets hold in sum."""
    over = asyncio.Event()
    async with replicas(tmp_path, kafka) as found:
        await found.start(*REPLICAS)
        await found.all_owned(by=len(REPLICAS))
        clients = [asyncio.create_task(found.submit_until(over, Random(number))) for number in range(3)]
        fortune = Fortune(found, broker, Random(time.time()))
        try:
            for number in range(ROUNDS):
                print(f"\nround {number + 1}:", end=" ")
                await fortune.strike()
        finally:
            over.set()
            acknowledged = await asyncio.gather(*clients)
        ids = set().union(*acknowledged)
        records = await found.events(ids, seconds=180)

    print(f"\n{len(ids)} jobs, {len(records)} events")
    assert_told_exactly_once(records, ids)
    assert_budgets_held(found.zendesk)
    for name, woke_at in fortune.sleeps:
        assert_nobody_returned(found.zendesk, name, thawed_at=woke_at)
