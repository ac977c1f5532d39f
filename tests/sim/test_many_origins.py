"""Very many endpoints that are owed something at once, in virtual time, on a ledger whose reads take their time."""

import asyncio

from sim.owing import Told, ToldCallbacks, ended_job, owe_jobs, rows_of, world_owing
from sim.virtual import run

from relay.core.delivery import Attempt
from relay.errors import Reason

ORIGINS = 300
READ_SECONDS = 0.01


def slow_reads(ledger):
    due, next_due = ledger.due, ledger.next_due

    async def slow_due(*arguments):
        await asyncio.sleep(READ_SECONDS)
        return await due(*arguments)

    async def slow_next_due(*arguments):
        await asyncio.sleep(READ_SECONDS)
        return await next_due(*arguments)

    ledger.due, ledger.next_due = slow_due, slow_next_due


async def world_of_origins(sink):
    """One configured sink, and a callback of each job to an origin of its own, all down."""
    world = await world_owing(0, orders=sink)
    now = world.clock.now()
    urls = [f"https://host-{number}.example/hook" for number in range(ORIGINS)]
    jobs = [ended_job(number, now, callbacks=[url]) for number, url in enumerate(urls)]
    await owe_jobs(world.ledger, jobs, [row for job in jobs for row in rows_of(job, (), now)])
    down = Told(Attempt(reason=Reason.CONNECT))
    world.callbacks = ToldCallbacks(dict.fromkeys(urls, down))
    slow_reads(world.ledger)
    return world, down


def test_who_hands_in_jobs_does_not_wait_until_all_endpoints_have_asked_what_they_owe():
    async def main():
        world, down = await world_of_origins(Told())
        async with world.relay() as shard:
            await asyncio.sleep(0.01)
            began = world.clock.monotonic()
            await shard.track(world.requests(world.start_jobs(1)))
            assert world.clock.monotonic() - began < 1.0
            await asyncio.sleep(10.0)
            assert len(down.requests) >= ORIGINS

    run(main())
