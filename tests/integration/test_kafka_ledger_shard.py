"""A whole relay on a partition of a real broker: shard, deliveries and the model of Zendesk, in real time."""

import asyncio
from contextlib import suppress

import pytest
from integration.processes import until
from kafka.partitions import Partitions
from kafka.wire import END_TXN
from sim.world import World

from relay.core.pacing import Rate
from relay.core.record import EventFilter
from relay.errors import Unavailable
from relay.simulator import SCENARIOS

TERMINAL = ("zendesk.job.completed", "zendesk.job.failed", "zendesk.job.killed")
JOBS = 40


@pytest.fixture
def world():
    made = World(scenario=SCENARIOS["calm"])
    made.rate = Rate(max_requests_per_minute=1_200.0)
    return made


@pytest.fixture
def partitions(kafka):
    return Partitions.create(kafka, 1)


@pytest.fixture
def opened(open_ledger, partitions, tmp_path):
    """Opens a ledger with an image of the name given."""

    async def open_one(image, **options):
        (tmp_path / image).mkdir()
        return await open_ledger(partitions.ledger(tmp_path / image, 0, **options))

    return open_one


def ended(world):
    return {event.subject for event in world.receivers["final"].taken if event.type in TERMINAL}


async def assert_told_right(world, ledger, ids):
    """Every job has ended once, as Zendesk says; its events were sent in order, and are the same bytes each time."""
    sent = world.receivers["all"].by_job()
    assert len(sent) == len(ids)
    for events in sent.values():
        distinct = list({event.id: event for event in events}.values())
        assert [event.sequence for event in distinct] == sorted(event.sequence for event in distinct)
        assert [event.type in TERMINAL for event in distinct].count(True) == 1
        assert all(event.data == other.data for event in events for other in distinct if event.id == other.id)
    page = await ledger.events(EventFilter(), 0, 1_000)
    positions = [event.position for _, event in page.events]
    assert positions == sorted(set(positions))
    truth = world.truth()
    for job in await ledger.page(accounts=None, state=None, after=None, limit=1_000):
        assert job.outcome == truth[job.id]["outcome"]


async def test_another_owner_goes_on_where_one_has_crashed(world, opened):
    ids = world.start_jobs(JOBS, queue_seconds=0.0, work_seconds=2.0)
    world.ledger = await opened("first")
    async with world.relay(crash=True) as shard:
        assert all(await shard.track(world.requests(ids)))
        await until(lambda: world.receivers["all"].taken, 30, "no event was sent")
    world.ledger = await opened("second")
    async with world.relay() as shard:
        assert not any(await shard.track(world.requests(ids)))
        await until(lambda: len(ended(world)) == JOBS, 30, "not all ends were told")
    await assert_told_right(world, world.ledger, ids)


async def test_a_broker_that_is_away_for_a_while_costs_nothing(world, opened, wire, impatient):
    """Whoever tracks is refused meanwhile; then all goes on by itself."""
    ids = world.start_jobs(JOBS, queue_seconds=0.0, work_seconds=2.0)
    world.ledger = await opened("first", connection=wire.connection)
    async with world.relay() as shard:
        await shard.track(world.requests(ids[: JOBS // 2]))
        wire.cut_before(END_TXN)
        with pytest.raises(Unavailable):
            await shard.track(world.requests(ids[JOBS // 2 :]))
        assert wire.is_cut
        with pytest.raises(Unavailable):
            await shard.track(world.requests(ids[JOBS // 2 :]))
        wire.mend()
        async with asyncio.timeout(30):
            while True:
                with suppress(Unavailable):
                    await shard.track(world.requests(ids))
                    break
                await asyncio.sleep(0.1)
        await until(lambda: len(ended(world)) == JOBS, 30, "not all ends were told")
    await assert_told_right(world, world.ledger, ids)
    assert world.log.logged.count("ledger.unavailable") == world.log.logged.count("ledger.recovered") == 1
