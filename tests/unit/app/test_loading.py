"""How a replica's start waits for its images, in virtual time."""

import asyncio
from types import SimpleNamespace

import pytest
from sim import virtual

from relay.app.loading import loaded
from relay.errors import LedgerError, LedgerUnusable


class World:
    def __init__(self):
        self.current = asyncio.Event()
        self.all = [SimpleNamespace(is_current=True), SimpleNamespace(is_current=False)]
        self.counts = {"acme": 2, "umbrella": 3}
        self.failure = None
        self.lines = []

    async def live_jobs(self):
        if self.failure is not None:
            raise self.failure
        return self.counts

    def info(self, event, /, **fields):
        self.lines.append((event, fields))

    async def follow(self):
        await asyncio.Event().wait()

    def load(self, follow=None):
        following = asyncio.create_task((follow or self.follow)())
        return asyncio.create_task(loaded(self, following, self.live_jobs, self))


def story(play):
    def test():
        async def run():
            await play(World())

        virtual.run(run())

    test.__name__, test.__doc__ = play.__name__, play.__doc__
    return test


@story
async def test_a_start_that_takes_long_says_which_partitions_it_waits_for(world):
    loading = world.load()
    await asyncio.sleep(25)
    assert not loading.done()
    assert world.lines == [("ledger.loading", {"partitions": [1]})] * 2
    world.current.set()
    assert await loading == 5
    assert len(world.lines) == 2


@story
async def test_an_image_that_is_read_anew_in_the_last_moment_is_waited_for(world):
    world.current.set()
    world.failure = LedgerError("partition 1 of the ledger has not been read to its end yet")
    loading = world.load()
    await asyncio.sleep(1)
    world.current.clear()
    await asyncio.sleep(60)
    assert not loading.done()
    world.failure = None
    world.current.set()
    assert await loading == 5


@story
async def test_what_cannot_be_read_ends_the_start(world):
    async def fail():
        raise LedgerUnusable("written by a newer relay")

    with pytest.raises(LedgerUnusable, match="newer relay"):
        await world.load(fail)
    world.current.set()
    world.failure = LedgerUnusable("damaged")
    with pytest.raises(LedgerUnusable, match="damaged"):
        await world.load()
