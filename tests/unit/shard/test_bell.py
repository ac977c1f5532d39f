import asyncio
from itertools import pairwise

import pytest
from sim.virtual import run

from relay.shard.bell import Bell


def waiting(bell, count):
    return [asyncio.create_task(bell.wait()) for _ in range(count)]


def test_all_who_wait_are_woken_and_who_comes_later_waits():
    async def main():
        bell = Bell()
        early = waiting(bell, 3)
        await asyncio.sleep(1)
        bell.ring()
        await asyncio.gather(*early)
        (late,) = waiting(bell, 1)
        await asyncio.sleep(1)
        assert not late.done()
        late.cancel()

    run(main())


def test_one_who_goes_away_wakes_nobody():
    async def main():
        bell = Bell()
        first, second = waiting(bell, 2)
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(1)
        assert first.cancelled()
        assert not second.done()
        bell.ring()
        await second

    run(main())


def test_however_often_it_is_rung_most_of_the_time_is_left_to_others():
    """A thousand readers are woken by the first ring at once, and then by several together."""

    async def main():
        bell, woken = Bell(), []
        loop = asyncio.get_running_loop()

        async def read():
            while loop.time() < 6:
                await bell.wait()
                woken.append(loop.time())

        readers = [asyncio.create_task(read()) for _ in range(1_000)]
        await asyncio.sleep(5)
        for _ in range(200):
            bell.ring()
            await asyncio.sleep(0.01)
        await asyncio.gather(*readers)
        moments = sorted(set(woken))
        assert moments[0] == pytest.approx(5)
        assert all(later - earlier > 0.3 for earlier, later in pairwise(moments))

    run(main())
