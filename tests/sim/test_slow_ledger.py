"""A ledger that takes its time, as one on Kafka may: it costs no requests."""

import asyncio
from contextlib import asynccontextmanager

from sim.virtual import run
from sim.world import UnreliableLedger, World

from relay.core.pacing import Rate
from relay.shard.ports import Polling
from relay.simulator import SCENARIOS

COMMIT_SECONDS = 2.0
JOBS, REQUESTS = 250, 3


class SlowLedger(UnreliableLedger):
    async def commit(self, batch):
        await asyncio.sleep(COMMIT_SECONDS)
        await super().commit(batch)


def eager_world():
    """With a budget for a request every 0.1 s, all of which is used where somebody waits."""
    world = World(scenario=SCENARIOS["fast"])
    world.ledger = SlowLedger(world.clock)
    world.rate = Rate(max_requests_per_minute=600, reserve=0.0, share=1.0)
    world.polling = Polling(fresh_within_seconds=0.1)
    return world


@asynccontextmanager
async def tracked(*, at_work=0):
    """The world of a relay that runs, and the ids of JOBS jobs in it that have ended, beside so many `at_work`."""
    world = eager_world()
    ended = world.start_jobs(JOBS, queue_seconds=0, work_seconds=0, fate="succeeded")
    others = world.start_jobs(at_work, queue_seconds=0, work_seconds=3_600)
    async with world.relay() as shard:
        await shard.track(world.requests([*ended, *others]))
        yield world, ended


def told(world):
    return {event.subject for event in world.receivers["final"].taken}


def test_a_job_is_not_asked_for_again_while_its_end_is_being_recorded():
    async def main():
        async with tracked() as (world, ended):
            await asyncio.sleep(50 * COMMIT_SECONDS)
            assert len(world.exchanges) == REQUESTS, "they saw them all end"
        assert told(world) == set(ended)

    run(main())


def test_what_could_not_be_recorded_is_asked_for_again():
    async def main():
        async with tracked() as (world, ended):
            now = world.clock.monotonic()
            world.ledger.outages.append((now, now + 3 * COMMIT_SECONDS))
            await asyncio.sleep(100 * COMMIT_SECONDS)
            assert len(world.exchanges) > REQUESTS
        assert told(world) == set(ended)

    run(main())


def test_jobs_without_news_are_asked_for_meanwhile():
    async def main():
        async with tracked(at_work=JOBS) as (world, _):
            await asyncio.sleep(10 * COMMIT_SECONDS)
            assert len(world.exchanges) > 2 * REQUESTS

    run(main())
