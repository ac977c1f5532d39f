"""Where very many accounts are due, the event loop is never theirs for long."""

import asyncio
from random import Random

import pytest

from relay.core.job import Job
from relay.core.observe import Rules
from relay.core.pacing import Rate
from relay.core.watch import Watch
from relay.ledger.memory import MemoryLedger
from relay.shard.live import Live
from relay.shard.poller import VISITS_AT_ONCE, Poller
from relay.shard.ports import Account, Polling, Settings, Surroundings
from relay.shard.writer import Writer

ACCOUNTS = [f"a{number:03}" for number in range(5 * VISITS_AT_ONCE)]


class Clock:
    def __init__(self):
        self.seconds = 1_000.0

    def now(self):
        return self.seconds

    monotonic = now


class Zendesk:
    """Never answers. `asked`: by which account, in this order."""

    def __init__(self, name, asked):
        self._name = name
        self._asked = asked

    async def get(self, request):
        self._asked.append(self._name)
        await asyncio.Event().wait()


class Nothing:
    def __getattr__(self, _):
        return lambda *_, **__: None


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def asked():
    return []


@pytest.fixture
def poller(clock, asked):
    """Of very many accounts, each with one job to look at now."""
    around = Surroundings(clock=clock, random=Random(1), metrics=Nothing(), log=Nothing(), beat=lambda _: None)
    writer = Writer(
        recorder=MemoryLedger(),
        live=Live(),
        subscriptions=(),
        published=lambda *_: None,
        source=str,
        surroundings=around,
    )
    accounts = [
        Account(name=name, source="", rate=Rate(), polling=Polling(), zendesk=Zendesk(name, asked)) for name in ACCOUNTS
    ]
    settings = Settings(rules=Rules(), polling=Polling())
    poller = Poller(accounts=accounts, writer=writer, settings=settings, surroundings=around, random=around.random)
    poller.add([job(name, "V3-1", clock) for name in ACCOUNTS])
    clock.seconds += 60.0
    return poller


def job(account, job_id, clock):
    return Watch(Job(account=account, id=job_id, tracked_at=clock.now()))


async def turns(poller, asked, *, in_between=lambda: None):
    """How many accounts were asked in each turn of the loop, until all were."""
    asking = asyncio.create_task(poller.run())
    counts = []
    while len(asked) < len(ACCOUNTS):
        before = len(asked)
        await asyncio.sleep(0)
        counts.append(len(asked) - before)
        in_between()
    asking.cancel()
    await asyncio.wait([asking])
    return counts


async def test_however_many_accounts_are_due_everybody_else_has_a_turn_after_a_few(poller, asked):
    assert max(await turns(poller, asked)) == VISITS_AT_ONCE
    assert asked == ACCOUNTS


async def test_an_account_that_is_due_keeps_its_place_while_further_jobs_come(poller, asked, clock):
    """Or one whose jobs come faster than the others are asked would never be asked at all."""
    busy = ACCOUNTS[2 * VISITS_AT_ONCE]

    def another():
        clock.seconds += 1.0
        poller.add([job(busy, f"V3-{clock.seconds:.0f}", clock)])

    await turns(poller, asked, in_between=another)
    assert asked.index(busy) == ACCOUNTS.index(busy)
