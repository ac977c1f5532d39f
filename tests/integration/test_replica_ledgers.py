"""Replicas at a real broker with real ledgers, in which a played shard counts."""

import asyncio
import time
import uuid
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import pairwise

import pytest
from integration.processes import until
from unit.replica.playing import PlayedShard, World

from relay.core.record import Batch
from relay.errors import LedgerError, LedgerLost
from relay.kafka.connection import Connection, quiet_library
from relay.kafka.coordination import Group
from relay.kafka.membership import Membership
from relay.ledger.kafka.images import Images
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.publishing import Publishing
from relay.ledger.kafka.topics import ensure

PARTITIONS = 4
ALL = set(range(PARTITIONS))
LONG_SESSION_SECONDS = 40.0  # what happens much sooner has not waited for it
COUNT = "count"


class CountingShard(PlayedShard):
    """Adds one to the mark in its ledger, again and again while it may act. `acknowledged`: how often it did."""

    def __init__(self, world, partition, ledger, beat):
        super().__init__(world, partition, beat)
        self._ledger = ledger
        self._count = 0

    async def load(self):
        self._count = int((await self._ledger.marks()).get(COUNT, b"0"))
        return await super().load()

    async def run(self):
        async with asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(self._go_on())
            await super().run()
            counting.cancel()

    async def _go_on(self):
        while True:
            if self.acting:
                with suppress(LedgerError):
                    await self._add()
            await asyncio.sleep(0.01)

    async def _add(self):
        try:
            await self._ledger.commit(Batch(marks={COUNT: b"%d" % (self._count + 1)}))
        except LedgerLost as lost:
            self.fail(lost)
            raise
        self._count += 1
        self._world.acknowledged[self._partition].append(self._count)


class CountingWorld(World):
    """`images`: of all partitions."""

    def __init__(self, membership, images, acknowledged):
        super().__init__(membership, PARTITIONS)
        self.images = images
        self.acknowledged = acknowledged

    def ledger(self, partition):
        return self.images.ledger(partition, partial(self.membership.check, partition))

    def shard(self, partition, ledger, beat):
        return CountingShard(self, partition, ledger, beat)

    def intake(self, partition, shard, marks, beat):
        return super().intake(partition, shard, {"intake/jobs/0": b"7"}, beat)


class House:
    """Where replicas of one group live. `acknowledged`: what their ledgers took, by partition, in this order."""

    def __init__(self, *, connection, ledger, intake, folder, stack):
        self._folder, self._stack = folder, stack
        self._connection = connection
        self._group = Group(name=intake, topic=intake, session_seconds=LONG_SESSION_SECONDS)
        cluster = uuid.uuid4().hex
        self._partitions = [
            Partition(connection=connection, cluster=cluster, topic=ledger, number=number) for number in sorted(ALL)
        ]
        self.acknowledged = {number: [] for number in ALL}

    async def images(self):
        """Of a further process."""
        folder = self._folder / uuid.uuid4().hex
        folder.mkdir()
        images = Images(self._partitions, folder=folder, publishing=Publishing({}), now=time.time, log=Lines())
        await images.open()
        following = asyncio.create_task(images.run())
        self._stack.push_async_callback(asyncio.wait, [following])
        self._stack.push_async_callback(images.close)
        return images

    async def start(self):
        """A further replica."""
        membership = Membership(self._connection, self._group, monotonic=time.monotonic, log=Lines())
        world = CountingWorld(membership, await self.images(), self.acknowledged)
        await self._stack.enter_async_context(world.running())
        return world


class Lines(list):
    def info(self, event, /, **fields):
        self.append(event)

    warning = error = info


@pytest.fixture
async def house(kafka, topics, tmp_path):
    quiet_library()
    connection = Connection(bootstrap_servers=(kafka,))
    intake = await topics.create("intake", partitions=PARTITIONS)
    ledger = await ensure(connection, f"ledger-{uuid.uuid4().hex[:12]}", partitions=PARTITIONS, create_replicas=1)
    async with AsyncExitStack() as stack:
        yield House(connection=connection, ledger=ledger, intake=intake, folder=tmp_path, stack=stack)


async def counted(house, partitions=ALL):
    """Each of these counts on."""
    before = {number: len(house.acknowledged[number]) for number in partitions}
    await until(lambda: all(len(house.acknowledged[number]) > before[number] + 5 for number in partitions))


async def test_whoever_comes_and_goes_each_partition_is_written_by_one_and_nothing_acknowledged_is_lost(house):
    first, second = await house.start(), await house.start()
    await until(lambda: first.acting | second.acting == ALL)
    await counted(house)
    gone = second.acting
    began = time.monotonic()
    await second.replica.stop()
    await counted(house, gone)
    assert time.monotonic() - began < LONG_SESSION_SECONDS / 2
    third = await house.start()
    await until(lambda: first.acting | third.acting == ALL and third.acting)
    await counted(house)
    for counts in house.acknowledged.values():
        assert all(count < following for count, following in pairwise(counts))


async def test_one_who_takes_a_partition_that_is_not_its_own_does_not_keep_it(house):
    """As a process does that was frozen after it had asked the group."""
    owner = await house.start()
    await until(lambda: owner.acting == ALL)
    other = await house.images()

    async def yes(): ...

    zombie = other.ledger(0, yes)
    await zombie.open()
    begun = int((await zombie.marks()).get(COUNT, b"0"))
    await until(lambda: owner.said[0].count("run") == 2)
    await counted(house)
    with pytest.raises(LedgerLost):
        await zombie.commit(Batch(marks={COUNT: b"0"}))
    await zombie.close()
    assert house.acknowledged[0][-1] > begun
    assert all(count < following for count, following in pairwise(house.acknowledged[0]))
    assert owner.said[1].count("load") == 1
    assert owner.lines.count("partition.lost") == 1
