"""Jobs and the offset up to which they were read are recorded together, or not at all."""

import asyncio
import time
from random import Random

import pytest

from relay.core.callbacks import CALLBACKS_MAX, CallbacksFull
from relay.core.job import JobKey, TrackRequest
from relay.core.observe import Rules
from relay.errors import LedgerError, Unavailable
from relay.ledger.memory import MemoryLedger
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.ports import Polling, Settings, Surroundings


class Ledger(MemoryLedger):
    """`commits`: what each batch held, as (jobs, marks). `full`: whether it takes nothing more."""

    def __init__(self):
        super().__init__()
        self.commits = []
        self.full = False

    async def commit(self, batch):
        if self.full:
            raise LedgerError("the disk is full")
        await super().commit(batch)
        self.commits.append((len(batch.jobs), dict(batch.marks)))


class Silent:
    def __getattr__(self, _):
        return lambda *_, **__: None


class RealClock:
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
async def shard(ledger):
    await ledger.open()
    around = Surroundings(clock=RealClock(), random=Random(1), metrics=Silent(), log=Silent(), beat=lambda _: None)
    settings = Settings(rules=Rules(), polling=Polling())
    feed = Feed(recorded=ledger, sources={})
    shard = Shard(record=ledger, accounts=[], subscribers=[], feed=feed, settings=settings, surroundings=around)
    await shard.load()
    running = asyncio.create_task(shard.run())
    yield shard
    await shard.drain()
    await running


def wish(job_id, callback_url=None):
    return TrackRequest(account="acme", id=job_id, callback_url=callback_url)


async def test_jobs_and_marks_share_one_batch(shard, ledger):
    assert await shard.track([wish("a"), wish("b")], {"intake/t/0": b"2"}) == [True, True]
    assert ledger.commits == [(2, {"intake/t/0": b"2"})]


async def test_marks_alone_are_recorded_too(shard, ledger):
    assert await shard.track([], {"intake/t/0": b"7"}) == []
    assert (await ledger.marks())["intake/t/0"] == b"7"
    await shard.track([], {"intake/t/0": None})
    assert "intake/t/0" not in await ledger.marks()


async def test_where_the_jobs_are_not_taken_the_marks_are_not_either(shard, ledger):
    await shard.track([wish("a", f"https://{number}.example.com/") for number in range(CALLBACKS_MAX)])
    with pytest.raises(CallbacksFull):
        await shard.track([wish("b"), wish("a", "https://one.example.com/")], {"intake/t/0": b"9"})
    assert "intake/t/0" not in await ledger.marks()
    assert await ledger.find([JobKey("acme", "b")]) == {}


async def test_where_the_ledger_takes_nothing_neither_is_recorded(shard, ledger):
    ledger.full = True
    with pytest.raises(Unavailable):
        await shard.track([wish("a")], {"intake/t/0": b"1"})
    assert (await ledger.marks(), await ledger.find([JobKey("acme", "a")])) == ({}, {})
