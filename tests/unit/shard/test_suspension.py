"""A shard that is in doubt whether its jobs are still its own, in virtual time."""

import asyncio

import pytest
from sim.owing import Told, world_owing
from sim.virtual import run
from sim.world import ModelZendesk, World

from relay.core.delivery import DeliveryState
from relay.core.job import JobKey
from relay.core.record import DeliveryFilter
from relay.errors import LedgerLost
from relay.shard.suspension import Suspension
from relay.simulator import SCENARIOS


class Slow(ModelZendesk):
    """`begun`: when requests came; `heard`: of how many the answer was taken."""

    begun: list[float]
    heard: int

    async def get(self, request):
        self.begun.append(self._clock.monotonic())
        response = await super().get(request)
        self.heard += 1
        return response


def slow_world():
    world = World(scenario=SCENARIOS["calm"])
    zendesk = Slow(world.simulator, "acme", world.clock, 4.0)
    zendesk.begun, zendesk.heard = [], 0
    world.zendesk = lambda _: zendesk
    return world, zendesk


def test_a_call_that_is_cut_short_answers_nothing_and_none_is_made_before_it_is_lifted():
    async def main():
        suspension, called = Suspension(), []

        async def call():
            called.append(1)
            await asyncio.sleep(5.0)
            return "done"

        underway = asyncio.create_task(suspension.unless(call))
        await asyncio.sleep(1.0)
        suspension.begin()
        suspension.begin()
        assert await underway is None
        assert await suspension.unless(call) is None
        suspension.end()
        suspension.end()
        assert await suspension.unless(call) == "done"
        assert len(called) == 2

    run(main())


def test_a_call_that_is_cancelled_or_fails_by_itself_is_not_cut_short():
    async def main():
        suspension = Suspension()

        async def fails():
            raise TimeoutError("its own")

        with pytest.raises(TimeoutError, match="its own"):
            await suspension.unless(fails)
        underway = asyncio.create_task(suspension.unless(asyncio.Event().wait))
        await asyncio.sleep(1.0)
        underway.cancel()
        with pytest.raises(asyncio.CancelledError):
            await underway

    run(main())


def test_suspended_it_sends_no_request_and_takes_no_answer_then_asks_again_within_its_budget():
    async def main():
        world, zendesk = slow_world()
        (job_id,) = world.start_jobs(1, queue_seconds=0.0, work_seconds=1.0)
        async with world.relay() as shard:
            await shard.track(world.requests([job_id]))
            await asyncio.sleep(3.0)
            assert len(zendesk.begun) == 1
            shard.suspend()
            await asyncio.sleep(30.0)
            assert (len(zendesk.begun), zendesk.heard) == (1, 0)
            shard.resume()
            await asyncio.sleep(1.0)
            assert len(zendesk.begun) == 2
            post = shard.poller.posts["acme"]
            assert (post.pacer._in_flight, post.pacer._ours) == (1, 2), "what was cut short is counted as sent"
            await asyncio.sleep(10.0)
            assert (await shard.read(JobKey("acme", job_id))).job.terminal

    run(main())


def test_often_suspended_it_stays_within_its_budget():
    async def main():
        world, zendesk = slow_world()
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(3, queue_seconds=0.0, work_seconds=500.0)))
            for _ in range(200):
                await asyncio.sleep(0.5)
                shard.suspend()
                shard.resume()
        gap = 60.0 / world.rate.max_requests_per_minute
        between = [b - a for a, b in zip(zendesk.begun, zendesk.begun[1:], strict=False)]
        assert len(between) > 10
        assert min(between) >= gap

    run(main())


def test_an_attempt_that_is_cut_short_uses_up_none_and_is_made_again():
    async def main():
        sink = Told(seconds=5.0)
        world = await world_owing(20, orders=sink)
        async with world.relay() as shard:
            await asyncio.sleep(1.0)
            shard.suspend()
            await asyncio.sleep(60.0)
            assert len(sink.requests) == 8
            pending = await world.ledger.deliveries(DeliveryFilter(state=DeliveryState.PENDING), None, 100)
            assert {(row.attempts, row.error) for row, _ in pending} == {(0, None)}
            assert len(pending) == 20
            shard.resume()
            await asyncio.sleep(20.0)
            delivered = await world.ledger.deliveries(DeliveryFilter(state=DeliveryState.DELIVERED), None, 100)
            assert {(row.attempts, row.error) for row, _ in delivered} == {(1, None)}
            assert len(delivered) == 20
            assert len(sink.requests) == 28
            assert shard._writer._claims.count("orders") == 0
        assert world.log.logged == []

    run(main())


def test_suspended_it_still_records_what_is_handed_in_and_answers_whoever_waits_at_once():
    async def main():
        world, _ = slow_world()
        first, second = world.start_jobs(2, queue_seconds=100.0)
        async with world.relay() as shard:
            await shard.track(world.requests([first]))
            waiting = asyncio.create_task(shard.wait(JobKey("acme", first), 60.0))
            await asyncio.sleep(1.0)
            shard.suspend()
            began = world.clock.monotonic()
            await waiting
            await shard.wait(JobKey("acme", first), 60.0)
            assert await shard.track(world.requests([second])) == [True]
            assert world.clock.monotonic() - began < 1.0

    run(main())


def test_a_shard_that_is_suspended_drains_at_once_and_begins_nothing():
    async def main():
        sink = Told(seconds=5.0)
        world = await world_owing(20, orders=sink)
        async with world.relay() as shard:
            await asyncio.sleep(1.0)
            shard.suspend()
            await asyncio.sleep(1.0)
            began = world.clock.monotonic()
            await shard.drain()
            assert world.clock.monotonic() - began < 0.5
        assert len(sink.requests) == 8

    run(main())


def test_a_shard_whose_ledger_is_lost_ends_with_that_and_leaves_nobody_waiting():
    async def main():
        world, _ = slow_world()
        (job_id,) = world.start_jobs(1, queue_seconds=100.0)
        shard = world.shard()
        await shard.load()
        running = asyncio.create_task(shard.run())
        await shard.track(world.requests([job_id]))
        waiting = asyncio.create_task(shard.wait(JobKey("acme", job_id), 60.0))

        async def forget(*_):
            raise LedgerLost("another owner has taken it")

        world.ledger.forget = forget
        with pytest.raises(LedgerLost, match="another owner"):
            await running
        await asyncio.wait_for(waiting, 1.0)
        await shard.drain()

    run(main())
