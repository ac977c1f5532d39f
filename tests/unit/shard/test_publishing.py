"""A ledger that publishes, in virtual time: its readers are told of each event once, whatever happens."""

import asyncio
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim.virtual import run
from sim.world import UnreliableLedger, World

from relay.core.delivery import DeliveryState, Schedule, Subscription
from relay.core.job import EventType
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkState
from relay.errors import NotPublishable, Reason
from relay.shard import writer
from relay.shard.arrears import AGAIN_AFTER_SECONDS
from relay.simulator import SCENARIOS

BUS = Subscription(sink="bus", types=frozenset(EventType), in_ledger=True)


class PublishingLedger(UnreliableLedger):
    """`published`: what is to be read. `refusals`: when nothing can be. `too_large`: ids of jobs whose events are."""

    def __init__(self, clock):
        super().__init__(clock)
        self.published = []
        self.published_bytes = []  # by commit
        self.refusals = []
        self.too_large = set()
        self.refused = 0

    async def commit(self, batch):
        now = self._clock.monotonic()
        large = {message.event.id for message in batch.messages if message.event.subject in self.too_large}
        if batch.messages and (large or any(start <= now < end for start, end in self.refusals)):
            self.refused += 1
            raise NotPublishable("no", Reason.REFUSED if large else Reason.TIMEOUT, large)
        await super().commit(batch)
        self.published += batch.messages
        if batch.messages:
            self.published_bytes.append(sum(len(message.event.data) for message in batch.messages))


def world_with_a_bus(seed=1):
    world = World(seed=seed, scenario=SCENARIOS["calm"])
    world.ledger = PublishingLedger(world.clock)
    world.subscriptions = [BUS]
    world.receivers = {"bus": None}  # nobody sends to it
    return world


def events_by_job(world):
    events = defaultdict(list)
    for message in world.ledger.published:
        assert message.sink == "bus"
        events[message.event.subject].append(message.event)
    return events


def is_final(event):
    return event.type not in {EventType.STARTED, EventType.PROGRESSED}


async def rows(world, state):
    found = await world.ledger.deliveries(DeliveryFilter(state=state), None, 10_000)
    return [delivery for delivery, _ in found]


async def track(world, shard, count=10):
    ids = world.start_jobs(count, queue_seconds=1.0, work_seconds=20.0)
    await shard.track(world.requests(ids))
    return ids


def test_an_event_is_published_in_the_commit_by_which_it_is_recorded():
    async def main():
        world = world_with_a_bus()
        async with world.relay() as shard:
            ids = await track(world, shard)
            await asyncio.sleep(60.0)
            recorded = await rows(world, DeliveryState.DELIVERED)
            assert len(recorded) == len(ids)
            assert await rows(world, DeliveryState.PENDING) == []
            assert {row.attempts for row in recorded} == {1}
        for events in events_by_job(world).values():
            sequences = [int(event.sequence) for event in events]
            assert sequences == list(range(1, len(events) + 1)), "all of them, since nothing was in the way"
            assert [is_final(event) for event in events] == [False] * (len(events) - 1) + [True]
        assert world.log.logged == []

    run(main())


def test_what_cannot_be_published_stays_owed_uses_up_no_attempt_and_follows_oldest_first():
    async def main():
        world = world_with_a_bus()
        world.ledger.refusals = [(0.0, 100.0)]
        async with world.relay() as shard:
            ids = await track(world, shard, 40)
            await asyncio.sleep(90.0)
            pending = await rows(world, DeliveryState.PENDING)
            assert {(row.attempts, row.error) for row in pending} == {(0, None)}
            assert len(pending) == 40
            assert world.ledger.refused <= 90.0 / AGAIN_AFTER_SECONDS + 10
            (standing,) = await shard.sinks.standing()
            assert (standing.state, standing.error) == (SinkState.THROTTLED, "unavailable: timeout: no")
            assert world.log.logged == ["ledger.unpublishable"]
            since = {row.job_id: row.since for row in pending}
            await asyncio.sleep(30.0)
        assert world.log.logged == ["ledger.unpublishable", "ledger.publishable"]
        published = [message.event.subject for message in world.ledger.published]
        assert sorted(published) == sorted(ids), "the end took the place of what came before"
        moments = [since[job_id] for job_id in published]
        assert all(later >= earlier - 1.0 for earlier, later in pairwise(moments))

    run(main())


def test_what_the_topic_does_not_take_is_a_failure_of_that_event_and_of_no_other():
    async def main():
        world = world_with_a_bus()
        world.schedule = Schedule(retry_seconds=(0.0, 5.0, 5.0))
        async with world.relay() as shard:
            ids = world.start_jobs(10, queue_seconds=1.0, work_seconds=20.0)
            world.ledger.too_large = {ids[3]}
            await shard.track(world.requests(ids))
            await asyncio.sleep(120.0)
        assert {message.event.subject for message in world.ledger.published} == set(ids) - {ids[3]}
        (dead,) = await rows(world, DeliveryState.DEAD)
        assert (dead.job_id, dead.attempts, dead.error) == (ids[3], 3, "refused: no")
        assert "ledger.unpublishable" not in world.log.logged

    run(main())


def test_in_one_commit_no_more_is_published_than_even_a_slow_broker_takes(monkeypatch):
    monkeypatch.setattr(writer, "MESSAGE_BYTES_PER_COMMIT", 4_000)

    async def main():
        world = world_with_a_bus()
        world.concurrency = 100
        world.ledger.refusals = [(0.0, 60.0)]
        async with world.relay() as shard:
            ids = await track(world, shard, 50)
            await asyncio.sleep(120.0)
        sizes = [len(message.event.data) for message in world.ledger.published]
        assert len(sizes) == len(ids)
        assert sum(sizes) > 12_000
        assert max(world.ledger.published_bytes) < 4_000 + max(sizes)

    run(main())


def test_where_the_ledger_itself_is_out_of_order_all_that_waits_is_published_when_it_is_not():
    async def main():
        world = world_with_a_bus()
        world.ledger.refusals = [(0.0, 50.0)]
        world.ledger.outages = [(40.0, 80.0)]
        async with world.relay() as shard:
            ids = await track(world, shard)
            await asyncio.sleep(120.0)
        assert sorted(message.event.subject for message in world.ledger.published) == sorted(ids)

    run(main())


def test_to_a_paused_sink_nothing_is_published_until_it_is_resumed_also_after_a_restart():
    async def main():
        world = world_with_a_bus()
        async with world.relay() as shard:
            await shard.sinks.pause("bus")
            ids = await track(world, shard)
            await asyncio.sleep(30.0)
        async with world.relay() as shard:
            await asyncio.sleep(30.0)
            assert world.ledger.published == []
            assert len(await rows(world, DeliveryState.PENDING)) == len(ids)
            await shard.sinks.resume("bus")
            await asyncio.sleep(10.0)
            assert sorted(message.event.subject for message in world.ledger.published) == sorted(ids)
            more = await track(world, shard, 1)
            await asyncio.sleep(60.0)
            assert more[0] in events_by_job(world)

    run(main())


def test_a_person_may_have_it_published_again():
    async def main():
        world = world_with_a_bus()
        async with world.relay() as shard:
            await track(world, shard, 1)
            await asyncio.sleep(60.0)
            (row,) = await rows(world, DeliveryState.DELIVERED)
            before = len(world.ledger.published)
            assert await shard.sinks.retry(row.key)
            await asyncio.sleep(5.0)
        assert len(world.ledger.published) == before + 1
        assert world.ledger.published[-1] == world.ledger.published[-2]

    run(main())


def test_suspended_it_publishes_no_arrears():
    async def main():
        world = world_with_a_bus()
        world.ledger.refusals = [(0.0, 50.0)]
        async with world.relay() as shard:
            ids = await track(world, shard)
            await asyncio.sleep(45.0)
            shard.suspend()
            await asyncio.sleep(30.0)
            assert world.ledger.published == []
            shard.resume()
            await asyncio.sleep(30.0)
        assert sorted(message.event.subject for message in world.ledger.published) == sorted(ids)

    run(main())


MOMENTS = st.floats(0.0, 90.0).map(lambda moment: round(moment, 1))
SPANS = st.lists(st.tuples(MOMENTS, st.floats(0.1, 40.0)).map(lambda one: (one[0], one[0] + one[1])), max_size=3)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    refusals=SPANS,
    outages=SPANS,
    crashes=st.lists(MOMENTS, max_size=3).map(sorted),
    suspended=SPANS,
)
def test_whatever_fails_and_whenever_readers_are_told_of_each_event_once_and_in_order(
    seed, refusals, outages, crashes, suspended
):
    async def main():
        world = world_with_a_bus(seed)
        world.ledger.refusals, world.ledger.outages = refusals, outages
        ids = world.start_jobs(4, queue_seconds=1.0, work_seconds=30.0)
        loop = asyncio.get_running_loop()

        async def until(moment, shard):
            while loop.time() < moment:
                in_doubt = any(start <= loop.time() < end for start, end in suspended)
                (shard.suspend if in_doubt else shard.resume)()
                await asyncio.sleep(0.5)

        for life, moment in enumerate([*crashes, 300.0]):
            async with world.relay(crash=moment < 300.0) as shard:
                if life == 0:
                    world.ledger.outages, later = [], world.ledger.outages
                    await shard.track(world.requests(ids))
                    world.ledger.outages = later
                await until(moment, shard)
        events = events_by_job(world)
        assert set(events) == set(ids)
        for told in events.values():
            sequences = [int(event.sequence) for event in told]
            assert sequences == sorted(set(sequences))
            assert [is_final(event) for event in told] == [False] * (len(told) - 1) + [True]
        assert await rows(world, DeliveryState.PENDING) == []
        assert len(await rows(world, DeliveryState.DELIVERED)) == len(ids)

    run(main())


@pytest.mark.parametrize("types", [frozenset(), frozenset({EventType.FAILED})])
def test_what_the_sink_does_not_want_is_not_published(types):
    async def main():
        world = world_with_a_bus()
        world.subscriptions = [Subscription(sink="bus", types=types, in_ledger=True)]
        async with world.relay() as shard:
            await track(world, shard, 1)
            await asyncio.sleep(60.0)
        assert world.ledger.published == []

    run(main())
