import asyncio
import time
from collections import Counter
from random import Random

import pytest

from relay.core.job import JobKey, TrackRequest
from relay.core.observe import Rules
from relay.core.sighting import sight
from relay.ledger.memory import MemoryLedger
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.intents import Observe
from relay.shard.ports import Polling, Settings, Surroundings

SEEN = (
    {"id": "V3-1", "status": "working", "total": 2, "progress": 1},
    {"id": "V3-1", "status": "completed", "total": 2, "progress": 2, "results": [{"id": 1}, {"id": 2}]},
)


class Silent:
    """A log, or metrics of which only the events are of interest."""

    def __init__(self):
        self.events = Counter()

    def event(self, kind, outcome):
        self.events[kind, outcome] += 1

    def __getattr__(self, _):
        return lambda *_, **__: None


class RealClock:
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


@pytest.fixture
def metrics():
    return Silent()


@pytest.fixture
async def shard(metrics):
    """Running, without accounts and sinks."""
    ledger = MemoryLedger()
    await ledger.open()
    shard = Shard(
        record=ledger,
        accounts=[],
        subscribers=[],
        feed=Feed(recorded=ledger, sources={}),
        settings=Settings(rules=Rules(), polling=Polling()),
        surroundings=Surroundings(
            clock=RealClock(), random=Random(1), metrics=metrics, log=Silent(), beat=lambda _: None
        ),
    )
    await shard.load()
    running = asyncio.create_task(shard.run())
    yield shard
    await shard.drain()
    await running
    await ledger.close()


async def test_every_event_counts_with_its_own_type_and_outcome_also_when_one_commit_holds_several(shard, metrics):
    """While a slow commit runs, a job may be seen more than once."""
    await shard.track([TrackRequest(account="acme", id="V3-1")])
    watch = shard.live.get(JobKey("acme", "V3-1"))
    intents = [Observe(seen=[(watch, sight(status))], seen_at=time.time(), rules=Rules()) for status in SEEN]
    await asyncio.gather(*map(shard._writer.submit, intents))
    assert metrics.events == {("zendesk.job.started", "none"): 1, ("zendesk.job.completed", "succeeded"): 1}
