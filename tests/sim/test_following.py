"""Readers of a replica, whose shards come and go, and are others' meanwhile."""

import asyncio
from collections import Counter
from random import Random

import pytest
from sim.virtual import run
from sim.world import World

from relay.core.record import EventFilter
from relay.shard.feed import Feed
from relay.shard.feeds import Feeds
from relay.simulator import SCENARIOS

ALL = EventFilter()


async def read(events, heard):
    """Until it is cancelled: whatever comes, with pages of a few."""
    after = await events.newest()
    while True:
        page = await events.page(ALL, after, 5)
        heard += [(placed.job.id, placed.event.sequence) for placed in page.events]
        after = page.reached
        if not page.more:
            await events.wait(after)


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_hears_of_every_event_once_while_owners_come_and_go_and_some_are_elsewhere(seed):
    """An owner elsewhere is one of whose commits this feed hears only when a shard is loaded here again."""

    async def main():
        world, random = World(seed=seed, scenario=SCENARIOS["calm"]), Random(seed)
        here = Feed(recorded=world.ledger, sources={})
        here.resume(0)
        events = Feeds([here])
        heard, readers = [[], []], []
        ids = world.start_jobs(40, queue_seconds=1.0, work_seconds=60.0)
        for life in range(12):
            world.feed = here if life % 2 == 0 else None
            async with world.relay(crash=random.random() < 0.5) as shard:
                if life < 2:
                    readers.append(asyncio.create_task(read(events, heard[life])))
                    await shard.track(world.requests(ids[20 * life : 20 * life + 20]))
                await asyncio.sleep(random.uniform(1.0, 30.0))
        world.feed = here
        async with world.relay():
            await asyncio.sleep(300.0)
        for reader in readers:
            reader.cancel()
        recorded = {(job.id, event.sequence) for job, event in (await world.ledger.events(ALL, 0, 10_000)).events}
        assert len({job_id for job_id, _ in recorded}) == len(ids)
        for told in heard:
            assert max(Counter(told).values()) == 1
        assert recorded <= set(heard[0]), "and of progress that is replaced by now"

    run(main())
