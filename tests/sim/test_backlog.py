"""Deliveries that wait in the ledger, in virtual time: all of them come, whatever endpoints do meanwhile."""

import asyncio

import pytest
from sim.owing import world_owing
from sim.virtual import run

from relay.core.delivery import Attempt
from relay.simulator.plan import Fate


class Slow:
    """Takes what it is sent after so many seconds each; `taken`: ids of the jobs."""

    def __init__(self, *seconds):
        self._seconds = seconds
        self.taken = []

    async def send(self, event):
        await asyncio.sleep(self._seconds[len(self.taken) % len(self._seconds)])
        self.taken.append(event.subject)
        return Attempt()

    async def close(self): ...


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

    async def count(endpoint, now, limit):
        asked.append(endpoint)
        return await due(endpoint, now, limit)

    ledger.due = count
    return asked
