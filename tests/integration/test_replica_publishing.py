"""A shard whose ledger publishes, on a real broker: readers of what is committed hear of each event once."""

import asyncio
import uuid
from collections import Counter
from random import Random
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from integration.processes import until
from kafka.partitions import Partitions

from relay.core.delivery import DeliveryState, Schedule, Subscription
from relay.core.job import TrackRequest
from relay.core.observe import Rules
from relay.core.pacing import Rate
from relay.core.record import DeliveryFilter
from relay.core.zendesk import Response
from relay.ledger.kafka import publishing
from relay.ops.clock import SystemClock
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.ports import Account, Polling, Settings, Subscriber, Surroundings
from relay.sinks.kafka import record_of

BUS = Subscription(sink="bus", in_ledger=True)


class Ended:
    """A Zendesk whose jobs all have ended well."""

    async def get(self, request):
        (ids,) = parse_qs(urlsplit(request.path).query)["ids"]
        found = [{"id": job_id, "status": "completed", "results": []} for job_id in ids.split(",")]
        return Response(status=200, headers={}, body=orjson.dumps({"job_statuses": found}))


class Lines(list):
    """Log and metrics, of which only the log's events are kept."""

    def info(self, event, /, **_):
        self.append(event)

    debug = warning = error = info

    def __getattr__(self, _):
        return lambda *_, **__: None


@pytest.fixture
def log():
    return Lines()


@pytest.fixture
def topic():
    """Nobody has made it yet."""
    return f"late-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def ledger(open_ledger, kafka, tmp_path, topic, impatient, monkeypatch):
    monkeypatch.setattr(publishing, "PAUSE_SECONDS_MIN", 0.1)
    partitions = await asyncio.to_thread(Partitions.create, kafka, 1)
    sinks = {"bus": lambda event: record_of(event, topic=topic, in_binary=False)}
    return await open_ledger(partitions.ledger(tmp_path, sinks=sinks))


@pytest.fixture
async def shard(ledger, log):
    rate = Rate(max_requests_per_minute=600, reserve=0, share=1, floor_requests_per_minute=600)
    shard = Shard(
        record=ledger,
        accounts=[Account(name="acme", source="urn:acme", rate=rate, polling=Polling(), zendesk=Ended())],
        subscribers=[Subscriber(subscription=BUS, sink=None, schedule=Schedule(), concurrency=100)],
        feed=Feed(recorded=ledger, sources={}),
        settings=Settings(rules=Rules(), polling=Polling()),
        surroundings=Surroundings(clock=SystemClock(), random=Random(1), metrics=log, log=log, beat=lambda _: None),
    )
    await shard.load()
    running = asyncio.create_task(shard.run())
    yield shard
    await shard.drain()
    await running


async def track(shard, *names):
    await shard.track([TrackRequest(account="acme", id=name) for name in names])


async def until_there_are(ledger, count, state):
    async def there():
        return len(await ledger.deliveries(DeliveryFilter(state=state), None, 100)) >= count

    await until(there, 30, f"there are not {count} deliveries {state}")


async def test_arrears_and_what_comes_after_them_are_each_published_once(shard, ledger, topics, topic, log):
    early, late = [f"V3-{number}" for number in range(20)], ["V3-late-1", "V3-late-2"]
    await track(shard, *early)
    await until_there_are(ledger, len(early), DeliveryState.PENDING)
    await topics.create_named(topic, partitions=3)
    await until_there_are(ledger, len(early), DeliveryState.DELIVERED)
    await track(shard, *late)
    await until_there_are(ledger, len(early + late), DeliveryState.DELIVERED)
    records = await topics.read(topic, len(early + late))
    heard = Counter(orjson.loads(record.value)["subject"] for record in records)
    assert heard == Counter([*early, *late])
    assert log.count("ledger.unpublishable") == log.count("ledger.publishable") >= 1
    assert await ledger.deliveries(DeliveryFilter(state=DeliveryState.DEAD), None, 1) == []
