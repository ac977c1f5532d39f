import asyncio

import pytest
from sim.owing import Told, ToldCallbacks, world_owing
from sim.virtual import run

from relay.core.callbacks import sink_of
from relay.core.standing import SinkState

URLS = ("https://a.example/1", "https://a.example/2", "https://b.example/1")
ORIGINS = {sink_of(url).partition("#")[0] for url in URLS}


async def world_with_callbacks(**sinks):
    world = await world_owing(1, callbacks=URLS, **sinks)
    world.callbacks = ToldCallbacks({url: Told(seconds=5.0) for url in URLS})
    return world


def test_at_a_start_there_is_a_courier_for_every_sink_and_every_origin_that_is_owed_something():
    async def main():
        world = await world_with_callbacks(orders=Told())
        async with world.relay() as shard:
            assert set(shard._couriers._couriers) == {"orders", *ORIGINS}
            assert [courier.route.endpoint for courier in shard._couriers.labelled("orders")] == ["orders"]
            assert {courier.route.endpoint for courier in shard._couriers.labelled("callback")} == ORIGINS

    run(main())


def test_where_something_comes_while_a_courier_leaves_it_stays():
    """An origin is forgotten after a minute without anything owed; just then something new may be recorded."""

    async def main():
        world = await world_with_callbacks()
        async with world.relay() as shard:
            (request,) = world.requests(["V3-00000"])
            for number in range(40):
                await asyncio.sleep(7.3)
                if number % 10 == 0:
                    url = f"https://a.example/late-{number}"
                    world.callbacks.sinks[url] = Told()
                    await shard.track([type(request)(account="acme", id=request.id, callback_url=url)])
            await asyncio.sleep(5.0)
            late = [sink for url, sink in world.callbacks.sinks.items() if "late" in url]
            assert [len(sink.requests) for sink in late] == [1, 1, 1, 1]

    run(main())


@pytest.mark.parametrize("crash", [True, False])
def test_a_drain_lets_attempts_underway_end_and_begins_no_other(crash):
    async def main():
        sink = Told(seconds=3.0)
        world = await world_owing(30, orders=sink)
        async with world.relay(crash=crash):
            await asyncio.sleep(1.0)
        assert len(sink.requests) == 8
        backlog = (await world.ledger.backlog())["orders"]
        assert backlog.pending == (30 if crash else 22)

    run(main())


def test_a_sink_that_leaves_the_configuration_and_returns_is_still_paused():
    async def main():
        world = await world_owing(1, orders=Told())
        configured = world.subscriptions
        async with world.relay() as shard:
            await shard.sinks.pause("orders")
        world.subscriptions = []
        async with world.relay() as shard:
            assert await shard.sinks.standing() == []
        world.subscriptions = configured
        async with world.relay() as shard:
            assert [one.state for one in await shard.sinks.standing()] == [SinkState.PAUSED]

    run(main())


def test_couriers_are_alive_as_long_as_each_of_their_loops_turns():
    async def main():
        beats = []
        world = await world_owing(1, orders=Told(), bus=Told())
        async with world.relay() as shard:
            shard._couriers._around = type(shard._around)(
                clock=world.clock, random=world.random, metrics=world.log, log=world.log, beat=beats.append
            )
            await asyncio.sleep(20.0)
            assert set(beats) == {"couriers"}
            (courier,) = shard._couriers.labelled("bus")
            stuck = asyncio.Event()
            courier._turn = lambda _: stuck.wait()
            await asyncio.sleep(60.0)
            beats.clear()
            await asyncio.sleep(60.0)
            assert beats == []
            stuck.set()
            await asyncio.sleep(10.0)

    run(main())


def test_a_standstill_of_callbacks_holds_for_origins_that_are_new():
    async def main():
        world = await world_with_callbacks()
        async with world.relay(crash=True) as shard:
            await shard.sinks.pause("callback")
        async with world.relay() as shard:
            assert {courier.state for courier in shard._couriers.labelled("callback")} == {SinkState.PAUSED}

    run(main())
