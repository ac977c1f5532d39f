"""How accounts stand, told without holding up everybody else where there are thousands."""

import asyncio
import time
from random import Random

import pytest

from relay.core.observe import Rules
from relay.core.pacing import Rate
from relay.ledger.memory import MemoryLedger
from relay.shard import TOLD_AT_ONCE, Shard
from relay.shard.ports import Account, Polling, Settings, Surroundings

ACCOUNTS = [f"a{number:04}" for number in range(4 * TOLD_AT_ONCE)]


class Clock:
    """Counts how often it is looked at."""

    looks = 0

    def now(self):
        self.looks += 1
        return time.time()

    monotonic = staticmethod(time.monotonic)


class Nothing:
    def __getattr__(self, _):
        return lambda *_, **__: None


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shard(clock):
    return Shard(
        record=MemoryLedger(),
        accounts=[Account(name=name, source="", rate=Rate(), polling=Polling(), zendesk=None) for name in ACCOUNTS],
        subscribers=[],
        settings=Settings(rules=Rules(), polling=Polling()),
        surroundings=Surroundings(clock=clock, random=Random(1), metrics=Nothing(), log=Nothing(), beat=lambda _: None),
    )


async def told_in_turns(shard, in_between=lambda: None):
    telling = asyncio.create_task(shard.standing())
    while not telling.done():
        await asyncio.sleep(0)
        in_between()
    return await telling


async def test_of_thousands_a_few_at_a_time_are_told(shard, clock):
    looks = []
    clock.looks = 0
    standings = await told_in_turns(shard, lambda: looks.append(clock.looks))
    assert [one.name for one in standings] == ACCOUNTS
    assert max(after - before for before, after in zip([0, *looks], looks, strict=False)) == TOLD_AT_ONCE


async def test_of_an_account_that_leaves_meanwhile_nothing_is_told(shard):
    standings = await told_in_turns(shard, lambda: shard.poller.remove(ACCOUNTS[-1]))
    assert [one.name for one in standings] == ACCOUNTS[:-1]
