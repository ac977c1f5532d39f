import asyncio

from msgspec.structs import replace
from sim.owing import ended_job
from sim.virtual import run

from relay.shard.waiters import Waiters

ENDED = ended_job(1, 1_750_000_000.0)
RUNNING = replace(ENDED, state="working", events=())


async def waiting(waiters, *, seconds=10.0, ended=None):
    """A task that tells how long it waited."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def wait():
        await waiters.wait(ENDED.key, seconds, ended)
        return loop.time() - began

    task = asyncio.create_task(wait())
    await asyncio.sleep(1.0)
    return task


def test_it_is_over_when_the_job_has_ended_for_all_who_wait():
    async def main():
        waiters = Waiters()
        both = [await waiting(waiters), await waiting(waiters)]
        waiters.tell([RUNNING, ended_job(2, 1_750_000_000.0)])
        await asyncio.sleep(1.0)
        assert not any(task.done() for task in both)
        waiters.tell([ENDED])
        waiters.tell([ENDED])
        assert await asyncio.gather(*both) == [3.0, 2.0]

    run(main())


def test_it_is_over_when_the_time_is_up_and_nothing_is_kept():
    async def main():
        waiters = Waiters()
        assert await (await waiting(waiters)) == 10.0
        assert waiters._waiting == {}

    run(main())


def test_everybody_can_be_released():
    async def main():
        waiters = Waiters()
        first = await waiting(waiters)
        waiters.release()
        assert await first == 1.0
        assert not (await waiting(waiters)).done(), "who waits from now on does"
        waiters.release()

    run(main())


def test_a_job_that_ends_while_it_is_asked_how_it_stands_is_not_waited_for():
    async def main():
        waiters = Waiters()

        async def ended():
            waiters.tell([ENDED])  # after the reading that says no
            return False

        assert (await waiting(waiters, ended=ended)).result() == 0.0

    run(main())


def test_a_job_that_has_ended_is_not_waited_for():
    async def main():
        async def ended():
            return True

        assert (await waiting(Waiters(), ended=ended)).result() == 0.0

    run(main())
