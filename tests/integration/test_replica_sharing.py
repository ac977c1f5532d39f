"""Replicas that share partitions in a group at a real broker; their ledgers and shards are played."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from integration.processes import until
from unit.replica.playing import World

from relay.kafka.connection import Connection, quiet_library
from relay.kafka.coordination import Group
from relay.kafka.membership import Membership

PARTITIONS = 6
ALL = set(range(PARTITIONS))
SESSION_SECONDS = 6.0  # brokers allow no less
LONG_SESSION_SECONDS = 40.0  # what happens much sooner has not waited for it
FENCE_SECONDS = 0.7 * SESSION_SECONDS


class Lines(list):
    def info(self, event, /, **fields):
        self.append(event)

    warning = error = info


@pytest.fixture
def session_seconds():
    return SESSION_SECONDS


@pytest.fixture
async def start(kafka, topics, session_seconds):
    """Starts replicas of one group, as many as are asked for."""
    quiet_library()
    topic = await topics.create("intake", partitions=PARTITIONS)
    group = Group(name=topic, topic=topic, session_seconds=session_seconds)
    async with AsyncExitStack() as stack:

        async def one():
            connection = Connection(bootstrap_servers=(kafka,))
            world = World(Membership(connection, group, monotonic=time.monotonic, log=Lines()), PARTITIONS)
            await stack.enter_async_context(world.running())
            return world

        yield one
    assert len(asyncio.all_tasks()) == 1


@asynccontextmanager
async def watched(*worlds):
    """Meanwhile, no partition is worked on by two. How long, at most, one was worked on by nobody, in seconds."""
    idle = {}

    async def watch():
        since = {}
        while True:
            acting = [partition for world in worlds for partition in world.acting]
            assert len(set(acting)) == len(acting)
            now = time.monotonic()
            for partition in ALL:
                if partition in acting:
                    since[partition] = now
                elif partition in since:
                    idle[partition] = max(idle.get(partition, 0.0), now - since[partition])
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    yield idle
    assert not watching.done()
    watching.cancel()


@pytest.mark.parametrize("session_seconds", [LONG_SESSION_SECONDS])
async def test_replicas_come_and_go_and_each_partition_is_worked_on_by_one(start):
    first, second, third = await start(), await start(), await start()
    worlds = (first, second, third)
    async with watched(*worlds):
        await until(lambda: all(len(world.acting) == 2 for world in worlds))
        kept = first.acting
        said = {partition: len(first.said[partition]) for partition in kept}
        async with watched(first, second, third) as idle:
            await third.replica.stop()
            await until(lambda: first.acting | second.acting == ALL)
        assert max(idle.values()) < LONG_SESSION_SECONDS / 2
        assert {partition: len(first.said[partition]) for partition in kept} == said
        late = await start()
        await until(lambda: len(first.acting) == len(second.acting) == len(late.acting) == 2)


async def test_without_the_brokers_nothing_is_done_for_long_and_with_them_all_goes_on(start, broker):
    one = await start()
    await until(lambda: one.acting == ALL)
    broker.freeze()
    await until(lambda: not one.acting, every_seconds=0.005)
    assert time.monotonic() - one.membership.confirmed_at >= FENCE_SECONDS
    assert one.loaded == ALL
    broker.thaw()
    await until(lambda: one.acting == ALL)
