"""Of thousands of accounts, how they stand is told, and what changed is put in its place, a few at a time."""

import asyncio
import time
from itertools import pairwise
from random import Random

import pytest

from relay.core.observe import Rules
from relay.core.pacing import Rate
from relay.ledger.memory import MemoryLedger
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.ports import Account, Polling, Settings, Surroundings
from relay.shard.waiting import ITEMS_AT_ONCE

ACCOUNTS = [f"a{number:04}" for number in range(4 * ITEMS_AT_ONCE)]


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


def account(name):
    return Account(name=name, source="", rate=Rate(), polling=Polling(), zendesk=None)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shard(clock):
    ledger = MemoryLedger()
    return Shard(
        record=ledger,
        feed=Feed(recorded=ledger, sources={}),
        accounts=[account(name) for name in ACCOUNTS],
        subscribers=[],
        settings=Settings(rules=Rules(), polling=Polling()),
        surroundings=Surroundings(clock=clock, random=Random(1), metrics=Nothing(), log=Nothing(), beat=lambda _: None),
    )


async def turns(work, count):
    """By how much the count changes at most until somebody else has a turn."""
    working = asyncio.create_task(work)
    counts = [count()]
    while not working.done():
        await asyncio.sleep(0)
        counts.append(count())
    await working
    return max(abs(after - before) for before, after in pairwise(counts))


async def test_of_thousands_a_few_at_a_time_are_told(shard, clock):
    assert await turns(shard.standing(), lambda: clock.looks) == ITEMS_AT_ONCE
    assert [one.name for one in await shard.standing()] == ACCOUNTS


async def test_of_an_account_that_leaves_meanwhile_nothing_is_told(shard):
    telling = asyncio.create_task(shard.standing())
    await asyncio.sleep(0)
    shard.poller.remove(ACCOUNTS[-1])
    assert [one.name for one in await telling] == ACCOUNTS[:-1]


async def test_of_thousands_a_few_at_a_time_leave_and_come(shard):
    left = shard.configure([], ACCOUNTS, Polling())
    assert await turns(left, lambda: len(shard.poller.posts)) == ITEMS_AT_ONCE
    assert not shard.poller.posts
    come = shard.configure([account(name) for name in ACCOUNTS], [], Polling())
    assert await turns(come, lambda: len(shard.poller.posts)) == ITEMS_AT_ONCE
    assert list(shard.poller.posts) == ACCOUNTS
