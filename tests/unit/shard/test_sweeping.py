import asyncio

from sim.owing import Told, world_owing
from sim.virtual import run

from relay.core.delivery import DeliveryState, Schedule
from relay.core.record import DeliveryFilter
from relay.shard import sweeping
from relay.shard.sweeping import sweep

SCHEDULE = Schedule(retry_seconds=(0.0, 60.0))


async def dead(world):
    return await world.ledger.deliveries(DeliveryFilter(state=DeliveryState.DEAD), None, 10_000)


def test_everything_that_is_too_old_is_given_up_page_by_page(monkeypatch):
    monkeypatch.setattr(sweeping, "PAGE", 10)

    async def main():
        world = await world_owing(35, orders=Told())
        world.subscriptions, world.receivers = [], {}
        await asyncio.sleep(SCHEDULE.age_seconds_max + 1.0)
        async with world.relay() as shard:
            before = world.ledger.commits
            await sweep("orders", SCHEDULE, world.ledger, shard._writer, world.clock)
            assert len(await dead(world)) == 35
            assert world.ledger.commits == before + 4
            assert shard._writer._claims.count("orders") == 0

    run(main())


def test_what_somebody_has_in_hand_is_left_to_him():
    async def main():
        world = await world_owing(3, orders=Told(seconds=100.0))
        world.concurrency = 1
        async with world.relay(crash=True) as shard:
            await asyncio.sleep(1.0)
            await sweep("orders", Schedule(retry_seconds=(-100.0,)), world.ledger, shard._writer, world.clock)
            assert await dead(world) == []

    run(main())
