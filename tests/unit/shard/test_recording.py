import asyncio

import pytest
from sim.owing import ended_job, rows_of
from sim.virtual import run

from relay.core.delivery import Delivery, Subscription
from relay.errors import Reason, Unavailable
from relay.shard.claims import Underway
from relay.shard.recording import Recording
from relay.shard.settling import Change

NOW = 1_750_000_000.0


class Writer:
    """Takes a second for a commit; is out of order so many times first. `batches`: how many came together."""

    def __init__(self, refusals=0, *, draining=False):
        self.draining = draining
        self.healthy = asyncio.Event()
        self.healthy.set()
        self.batches = []
        self._refusals = refusals

    async def submit(self, together):
        await asyncio.sleep(1.0)
        if self._refusals:
            self._refusals -= 1
            raise Unavailable(Reason.LEDGER_UNAVAILABLE, "no", 5.0)
        self.batches.append(together.weight)


def intent(number) -> Change:
    job = ended_job(number, NOW)
    (row,) = rows_of(job, [Subscription(sink="orders")], NOW)
    return Change(underway=Underway(delivery=row, job=job), rule=lambda *_: None)


async def record(writer, moments):
    """Attempts that end at these moments; ids of jobs, in groups, as they are recorded."""
    done: list[list[str]] = []
    recording = Recording(writer=writer, recorded=lambda underway: done.append([_id(one.delivery) for one in underway]))
    async with asyncio.TaskGroup() as tasks:
        for number, moment in enumerate(moments):
            await asyncio.sleep(moment - asyncio.get_running_loop().time())
            recording.add(intent(number), tasks)
    return done


def _id(delivery: Delivery) -> str:
    return delivery.job_id[-1]


def test_what_ends_while_the_last_is_being_recorded_goes_together():
    async def main():
        writer = Writer()
        assert await record(writer, [0.0, 0.5, 0.6, 0.7, 5.0]) == [["0"], ["1", "2", "3"], ["4"]]
        assert writer.batches == [1, 3, 1]

    run(main())


@pytest.mark.parametrize("refusals", [1, 4])
def test_it_is_recorded_however_long_the_ledger_takes(refusals):
    """What a sink has taken should not be sent twice."""

    async def main():
        writer = Writer(refusals)
        assert await record(writer, [0.0]) == [["0"]]
        assert writer.batches == [1]

    run(main())


def test_a_relay_that_is_shutting_down_does_not_wait_for_a_ledger_that_is_out_of_order():
    async def main():
        writer = Writer(1_000, draining=True)
        assert await record(writer, [0.0]) == [["0"]]
        assert writer.batches == []

    run(main())
