"""What records ask for, on the reference ledger and in virtual time: each is one commit with the place that follows."""

import asyncio

import pytest
from sim.owing import Told, world_owing
from sim.virtual import run

from relay.core.commands import Pause, Recover, Resume, Retry, Untrack
from relay.core.delivery import Attempt, DeliveryState, Schedule, Subscription
from relay.core.job import TrackRequest
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkState
from relay.errors import Reason

REFUSED = Attempt(reason=Reason.REFUSED, detail="400")
GONE = Attempt(reason=Reason.GONE, detail="410")
MARKS = {"intake/t/0": b"9"}


class Commits(list):
    """What a world's ledger has recorded from now on, as (states of jobs, deliveries, marks)."""

    def __init__(self, world):
        super().__init__()
        self.commit = world.ledger.commit
        world.ledger.commit = self.note

    async def note(self, batch):
        await self.commit(batch)
        self.append(([job.state for job in batch.jobs], len(batch.deliveries), dict(batch.marks)))


async def state(shard):
    return (await shard.sinks.standing())[0].state


async def dead(shard):
    return await shard.sinks.deliveries(DeliveryFilter(state=DeliveryState.DEAD), None, 1_000)


def test_several_jobs_are_untracked_in_one_commit():
    async def main():
        world = await world_owing(0)
        async with world.relay() as shard:
            await shard.track([TrackRequest(account="acme", id=name) for name in ("a", "b")])
            commits = Commits(world)
            wanted = [Untrack(account="acme", id=name) for name in ("a", "nobody-knows", "b")]
            await shard.execute(wanted, MARKS)
            assert commits == [(["deleted", "deleted"], 0, MARKS)]
            assert await shard.read(wanted[0].key) is None

    run(main())


def test_a_sink_is_paused_since_it_was_asked_for_and_goes_on_when_it_is_resumed():
    async def main():
        sink = Told()
        world = await world_owing(1, orders=sink)
        async with world.relay() as shard:
            await shard.execute([Pause(sink="orders", since=7.0)], MARKS)
            assert [(one.state, one.since) for one in await shard.sinks.standing()] == [(SinkState.PAUSED, 7.0)]
        async with world.relay() as shard:
            assert await state(shard) is SinkState.PAUSED, "after a restart, too"
            commits = Commits(world)
            await shard.execute([Resume(sink="orders")], MARKS)
            assert commits[0] == ([], 0, {"sink/orders": None, **MARKS})
            await asyncio.sleep(1.0)
            assert await state(shard) is SinkState.ACTIVE

    run(main())


def test_a_sink_that_is_not_configured_here_is_paused_when_it_comes():
    """Another replica may have a newer configuration."""

    async def main():
        world = await world_owing(0, orders=Told())
        async with world.relay() as shard:
            await shard.execute([Pause(sink="newer", since=7.0)], MARKS)
        world.receivers["newer"] = Told()
        world.subscriptions.append(Subscription(sink="newer"))
        async with world.relay() as shard:
            assert {one.name: one.state for one in await shard.sinks.standing()}["newer"] is SinkState.PAUSED

    run(main())


def test_a_sink_that_is_disabled_stays_so_and_the_place_is_recorded_all_the_same():
    async def main():
        world = await world_owing(1, orders=Told(GONE))
        async with world.relay() as shard:
            await asyncio.sleep(1.0)
            commits = Commits(world)
            await shard.execute([Pause(sink="orders", since=7.0)], MARKS)
            assert commits == [([], 0, MARKS)]
            assert await state(shard) is SinkState.DISABLED

    run(main())


async def world_with_a_dead_one():
    sink = Told(REFUSED)
    world = await world_owing(1, orders=sink)
    world.schedule = Schedule(retry_seconds=(0.0,))
    async with world.relay():
        await asyncio.sleep(1.0)
    return world, sink


def test_what_is_recovered_and_dies_again_is_not_recovered_by_a_repeat():
    """The place after it was not recorded in time, so the record comes again."""

    async def main():
        world, sink = await world_with_a_dead_one()
        wanted = Recover(sink="orders", since=0.0, until=world.clock.now())
        async with world.relay() as shard:
            await shard.execute([wanted], MARKS)
            await asyncio.sleep(1.0)
            assert len(await dead(shard)) == 1
            commits = Commits(world)
            await shard.execute([wanted], MARKS)
            await asyncio.sleep(1.0)
            assert len(sink.requests) == 2
            assert commits == [([], 0, MARKS)]

    run(main())


@pytest.mark.parametrize("known", [True, False])
def test_a_delivery_is_made_again_in_one_commit_with_the_place_or_the_place_is_recorded_alone(known):
    async def main():
        world, sink = await world_with_a_dead_one()
        async with world.relay() as shard:
            [(row, _)] = await dead(shard)
            commits = Commits(world)
            tracked_at, account, job_id, name = row.key
            job_id = job_id if known else "V3-NOBODY"
            await shard.execute([Retry(tracked_at=tracked_at, account=account, job_id=job_id, sink=name)], MARKS)
            assert (commits[0][1], commits[0][2]) == (int(known), MARKS)
            await asyncio.sleep(1.0)
            assert len(sink.requests) == 1 + known

    run(main())
