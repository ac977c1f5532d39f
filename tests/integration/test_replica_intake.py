"""The intake of one partition at a real broker, as its owner runs it."""

import asyncio
import time

import pytest
from integration.processes import until
from kafka.topics import Message

from relay.intake.kafka import KafkaIntake, Surroundings
from relay.intake.offsets import Offsets
from relay.kafka.connection import Connection, quiet_library
from relay.kafka.coordination import Group
from relay.kafka.membership import Membership
from relay.kafka.source import PartitionSource


class Desk:
    """Takes what is read, and is told of the membership. `taken`: partition and offset; `marks`: that came with it."""

    def __init__(self):
        self.taken, self.marks = [], {}

    async def take(self, messages, marks, insisting):
        self.taken += [(message.partition, message.offset) for message in messages]
        self.marks |= marks

    def revoked(self): ...

    def assigned(self, member): ...

    def info(self, event, /, **fields): ...

    warning = error = info


@pytest.fixture
def desk():
    quiet_library()
    return Desk()


async def test_it_reads_its_partition_only_from_where_its_ledger_says_and_shows_that_as_the_member(kafka, topics, desk):
    topic = await topics.create("intake", partitions=3)
    await topics.produce(topic, *(Message(b"{}", partition=number) for number in (0, 1, 2) for _ in range(3)))
    connection = Connection(bootstrap_servers=(kafka,))
    group = Group(name=topic, topic=topic)
    membership = Membership(connection, group, monotonic=time.monotonic, log=desk)
    joined = asyncio.create_task(membership.run(desk))
    await until(lambda: membership.assigned)
    intake = KafkaIntake(
        source=PartitionSource(connection, topic=topic, partition=1, show=membership.show),
        offsets=Offsets(topic, {f"intake/{topic}/1": b"1"}),
        taking=desk,
        around=Surroundings(monotonic=time.monotonic, beat=lambda _: None, log=desk),
    )
    reading = asyncio.create_task(intake.run())
    await until(lambda: len(desk.taken) == 2)
    assert desk.taken == [(1, 1), (1, 2)]
    assert desk.marks.keys() == {f"intake/{topic}/id", f"intake/{topic}/1"}

    async def shown():
        return await topics.committed(group.name) == {(topic, 1): 3}

    await until(shown, every_seconds=0.1)
    await intake.stop()
    await membership.close()
    assert reading.done()
    assert joined.done()
