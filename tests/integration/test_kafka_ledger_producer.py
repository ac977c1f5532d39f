"""One partition has one producer, on a real broker: fenced, refused, cut off, and nothing is ever half there."""

import uuid

import pytest

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.topics import Topic
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.producer import Fenced, NotCommitted, PartitionProducer
from relay.ledger.kafka.records import Record
from relay.ledger.kafka.topics import RULES, LedgerTopic

GOOD = {setting: rule.value for setting, rule in RULES.items()}


@pytest.fixture
def connection(kafka):
    return Connection(bootstrap_servers=(kafka,))


def on(connection, name):
    """The only partition of the topic."""
    topic = LedgerTopic(topic=Topic(name=name, partitions=1), tombstones_kept_seconds=100.0)
    return Partition(connection=connection, cluster=uuid.uuid4().hex, topic=topic, number=0)


@pytest.fixture
async def start(connection, topics):
    """Starts a producer of the test's own partition; all of them are ended with the test."""
    partition = on(connection, await topics.create("ledger", configs=GOOD))
    started = []

    async def begin():
        started.append(await PartitionProducer.start(partition))
        return started[-1]

    begin.topic = partition.topic.topic.name
    yield begin
    for producer in started:
        await producer.end()


async def values(topics, start, count):
    """The first so many; whatever was written before the last of them would be among them."""
    return [record.value for record in await topics.read(start.topic, count)]


async def test_what_is_committed_is_there_in_order_and_its_end_is_told(start, topics):
    producer = await start()
    assert await producer.commit([Record(b"a", b"1"), Record(b"b", b"2"), Record(b"a", None)]) == 3
    assert await producer.commit([Record(b"c", b"3")]) == 5  # the marker of the first transaction stands at 3
    records = await topics.read(start.topic, 4)
    assert [(record.key, record.value) for record in records] == [
        (b"a", b"1"),
        (b"b", b"2"),
        (b"a", None),
        (b"c", b"3"),
    ]


async def test_a_transaction_may_be_much_larger_than_a_batch(start, topics):
    producer = await start()
    records = [Record(str(n).encode(), b"x" * 100_000) for n in range(30)] + [Record(b"big", b"y" * 2_000_000)]
    assert await producer.commit(records) == 31
    assert len(await topics.read(start.topic, 31)) == 31


async def test_a_second_producer_fences_the_first(start, topics):
    first = await start()
    await first.commit([Record(b"a", b"1")])
    second = await start()
    with pytest.raises(Fenced):
        await first.commit([Record(b"a", b"stale")])
    await second.commit([Record(b"a", b"2")])
    assert await values(topics, start, 2) == [b"1", b"2"]


async def test_of_a_transaction_with_a_record_that_is_too_large_nothing_is_committed(start, topics):
    """The others may have been written by then, in batches of their own."""
    producer = await start()
    records = [Record(b"a", b"x" * 500_000), Record(b"b", b"y" * 4_000_000), Record(b"c", b"z" * 500_000)]
    with pytest.raises(NotCommitted) as told:
        await producer.commit(records)
    assert told.value.reason is Reason.REFUSED
    again = await start()
    await again.commit([Record(b"a", b"1")])
    assert await values(topics, start, 1) == [b"1"]


async def test_a_broker_that_is_away_is_told_in_bounded_time(unused_tcp_port):
    nowhere = Connection(bootstrap_servers=(f"127.0.0.1:{unused_tcp_port}",))
    with pytest.raises(Exception, match="connect") as told:
        await PartitionProducer.start(on(nowhere, "t"))
    assert told.value.reason is Reason.CONNECT
