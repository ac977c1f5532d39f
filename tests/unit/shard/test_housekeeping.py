"""Jobs that grow old, and ended ones that are forgotten, on the reference ledger and in virtual time."""

import asyncio

from sim.owing import Told, world_owing
from sim.virtual import run

from relay.core.delivery import Attempt, Schedule
from relay.core.job import JobKey, TrackRequest
from relay.core.observe import Rules
from relay.errors import LedgerError, Reason
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.housekeeping import FORGET_SECONDS, LAST_LOOK_SECONDS, SWEEP_SECONDS
from relay.shard.ports import Polling, Settings, Surroundings

KEEP_SECONDS, KEEP_DEAD_SECONDS = 1_000.0, 5_000.0


def shard_of(world):
    """It keeps what has ended for a while only."""
    settings = Settings(
        rules=Rules(),
        polling=Polling(expire_after_seconds=500.0),
        keep_finished_seconds=KEEP_SECONDS,
        keep_dead_seconds=KEEP_DEAD_SECONDS,
    )
    around = Surroundings(clock=world.clock, random=world.random, metrics=world.log, log=world.log, beat=lambda _: None)
    feed = Feed(recorded=world.ledger, sources={})
    return Shard(record=world.ledger, accounts=[], subscribers=[], feed=feed, settings=settings, surroundings=around)


async def run_for(shard, seconds):
    await shard.load()
    running = asyncio.create_task(shard.run())
    await asyncio.sleep(seconds)
    await shard.drain()
    await running


def test_a_job_of_an_account_that_is_not_configured_expires_in_the_end():
    async def main():
        world = await world_owing(0)
        shard = shard_of(world)
        await shard.load()
        running = asyncio.create_task(shard.run())
        await shard.track([TrackRequest(account="acme", id="V3-1")])
        await asyncio.sleep(500.0 - 1.0)
        assert (await shard.read(JobKey("acme", "V3-1"))).job.state == "pending"
        await asyncio.sleep(SWEEP_SECONDS + 2.0)
        assert (await shard.read(JobKey("acme", "V3-1"))).job.state == "expired"
        await shard.drain()
        await running

    run(main())


def test_after_a_long_outage_there_is_time_for_a_look_before_a_job_expires():
    async def main():
        world = await world_owing(0)
        first = shard_of(world)
        await first.load()
        running = asyncio.create_task(first.run())
        await first.track([TrackRequest(account="acme", id="V3-1")])
        await first.drain()
        await running
        await asyncio.sleep(10_000.0)
        second = shard_of(world)
        await run_for(second, LAST_LOOK_SECONDS - 1.0)
        assert (await second.read(JobKey("acme", "V3-1"))).job.state == "pending"

    run(main())


def test_what_was_kept_long_enough_is_forgotten_dead_deliveries_later():
    async def main():
        refused = Attempt(reason=Reason.REFUSED)
        world = await world_owing(2, orders=Told(lambda number: refused if number else Attempt()))
        world.schedule = Schedule(retry_seconds=(0.0,))
        async with world.relay():
            await asyncio.sleep(1.0)
        await asyncio.sleep(KEEP_SECONDS)
        await run_for(shard_of(world), FORGET_SECONDS + 2 * SWEEP_SECONDS)
        known = await world.ledger.find([JobKey("acme", f"V3-{number:05}") for number in range(2)])
        assert len(known) == 1
        await asyncio.sleep(KEEP_DEAD_SECONDS)
        await run_for(shard_of(world), FORGET_SECONDS + 2 * SWEEP_SECONDS)
        assert not await world.ledger.find(list(known))

    run(main())


def test_a_ledger_that_cannot_forget_now_is_asked_again():
    async def main():
        world = await world_owing(0)
        asked = 0

        async def forget(*_):
            nonlocal asked
            asked += 1
            raise LedgerError("locked")

        world.ledger.forget = forget
        await run_for(shard_of(world), 3 * FORGET_SECONDS + 4 * SWEEP_SECONDS)
        assert asked == 3
        assert world.log.logged == ["ledger.not_pruned"] * 3

    run(main())
