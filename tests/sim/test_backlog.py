"""Deliveries that wait in the ledger, in virtual time: all of them come, whatever endpoints do meanwhile."""

import asyncio
from random import Random

import pytest
from sim.owing import Told, world_owing
from sim.virtual import VirtualClock, run
from sim.world import PlainSink

from relay.core.delivery import Attempt, Schedule
from relay.errors import Reason
from relay.simulator.plan import Fate


class Slow(PlainSink):
    """Takes what it is sent after so many seconds each; `taken`: ids of the jobs."""

    def __init__(self, *seconds):
        self._seconds = seconds
        self.taken = []

    async def send(self, event):
        await asyncio.sleep(self._seconds[len(self.taken) % len(self._seconds)])
        self.taken.append(event.subject)
        return Attempt()


@pytest.mark.parametrize("seconds", [(0.0,), (0.001,), (0.02,), (0.001, 0.02, 0.3)])
def test_a_backlog_is_delivered_to_the_end_without_a_pause(seconds):
    """Whether attempts end before, while or after the next page is read."""

    async def main():
        count, sink = 2_000, Slow(*seconds)
        world = await world_owing(count, orders=sink)
        async with world.relay():
            await asyncio.sleep(60.0)
            assert len(sink.taken) == count
            assert len(set(sink.taken)) == count

    run(main())


def test_what_nothing_waits_before_is_sent_without_asking_the_ledger():
    """With hundreds of endpoints, a question for each event would hold up all of them."""

    async def main():
        sink = Slow(0.02)
        world = await world_owing(0, orders=sink)
        asked = count_questions(world.ledger)
        async with world.relay() as shard:
            ids = world.start_jobs(50, fate=Fate.SUCCEEDED, work_seconds=60.0)
            await asyncio.sleep(1.0)
            asked.clear()
            await shard.track(world.requests(ids))
            await asyncio.sleep(3_600.0)
        assert set(sink.taken) == set(ids)
        assert asked == []

    run(main())


def count_questions(ledger):
    """The endpoints for which it is asked what is due, from now on."""
    asked, due = [], ledger.due

    async def count(endpoint, now, limit, *, after=None):
        asked.append(endpoint)
        return await due(endpoint, now, limit, after=after)

    ledger.due = count
    return asked


class Jittery(VirtualClock):
    """Goes on between two readings within a moment, as a real clock does, and timers are not exact."""

    def __init__(self):
        self._random = Random(1)
        self._newest = 0.0

    def now(self):
        self._newest = max(self._newest, super().now() + self._random.uniform(-0.001, 0.001))
        return self._newest


class Refusing(Slow):
    async def send(self, event):
        await super().send(event)
        return Attempt(reason=Reason.REFUSED)


def test_every_attempt_of_a_schedule_comes_when_it_is_due():
    """Also where the moment passes just between the question whether it is due and the wait until it is."""

    async def main():
        attempts, wait_seconds = 100, 0.2
        sink = Refusing(0.001)
        world = await world_owing(1, orders=sink)
        world.clock, world.schedule = Jittery(), Schedule(retry_seconds=[wait_seconds] * attempts)
        async with world.relay():
            await asyncio.sleep(1.5 * attempts * wait_seconds)
            assert len(sink.taken) == attempts

    run(main())


def test_what_an_endpoint_never_gets_round_to_dies_of_age():
    """Or the ledger would grow for ever where more is owed than the rate allows."""

    async def main():
        sink = Told()
        world = await world_owing(500, orders=sink)
        world.schedule, world.rates = Schedule(retry_seconds=(0.0, 60.0)), {"orders": 0.01}
        async with world.relay():
            await asyncio.sleep(2 * 3_600.0)
            owed = (await world.ledger.backlog())["orders"]
            assert owed.dead > 400
            assert owed.pending + owed.dead + len(sink.requests) == 500

    run(main())
