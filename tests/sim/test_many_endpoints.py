"""Very many endpoints, in virtual time, on a ledger that takes its time: who hands in jobs does not wait for them."""

import asyncio
from random import Random

from sim.owing import Told, ToldCallbacks, ended_job, owe_jobs, rows_of, world_owing
from sim.virtual import VirtualClock, run

from relay.core.delivery import Attempt, Subscription
from relay.core.job import Job, TrackRequest
from relay.core.observe import Rules
from relay.core.sighting import sight
from relay.errors import Reason
from relay.ledger.memory import MemoryLedger
from relay.shard.intents import Observe, Track
from relay.shard.live import Live
from relay.shard.ports import Surroundings
from relay.shard.writer import Writer

ORIGINS = 300
READ_SECONDS = 0.01


def slow_reads(ledger):
    due, next_due = ledger.due, ledger.next_due

    async def slow_due(*arguments, **options):
        await asyncio.sleep(READ_SECONDS)
        return await due(*arguments, **options)

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


def test_all_endpoints_asking_what_they_are_owed_hold_up_nobody():
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


SINKS, POLLS, JOBS_PER_POLL = 20, 20, 50
ROW_SECONDS = 0.0001


class Slow(MemoryLedger):
    async def commit(self, batch):
        await asyncio.sleep(ROW_SECONDS * len(batch.deliveries))
        await super().commit(batch)


class Silent:
    def __getattr__(self, _):
        return lambda *_, **__: None


def test_many_events_for_many_sinks_at_once_hold_up_nobody():
    """They go into several commits, and what is handed in meanwhile into the next."""

    async def main():
        clock, live, ledger = VirtualClock(), Live(), Slow()
        jobs = [
            Job(account="acme", id=f"V3-{number}", tracked_at=clock.now()) for number in range(POLLS * JOBS_PER_POLL)
        ]
        live.load((job, []) for job in jobs)
        writer = Writer(
            recorder=ledger,
            live=live,
            subscriptions=[Subscription(sink=f"sink-{number}") for number in range(SINKS)],
            published=lambda *_: None,
            source=str,
            surroundings=Surroundings(
                clock=clock, random=Random(1), metrics=Silent(), log=Silent(), beat=lambda _: None
            ),
        )
        running = asyncio.create_task(writer.run())
        polls = [asyncio.create_task(writer.submit(ended(live, page, clock))) for page in pages(jobs)]
        await asyncio.sleep(0.01)
        began = clock.monotonic()
        await writer.submit(Track(requests=[TrackRequest(account="acme", id="new")]))
        assert clock.monotonic() - began < 0.3 * ROW_SECONDS * len(jobs) * SINKS
        await asyncio.gather(*polls)
        writer.drain()
        await running
        backlog = await ledger.backlog()
        assert [owed.pending for owed in backlog.values()] == [len(jobs)] * SINKS

    run(main())


def pages(jobs):
    return [jobs[start : start + JOBS_PER_POLL] for start in range(0, len(jobs), JOBS_PER_POLL)]


def ended(live, jobs, clock):
    seen = [(live.get(job.key), sight({"id": job.id, "status": "completed"})) for job in jobs]
    return Observe(seen=seen, seen_at=clock.now(), rules=Rules())
