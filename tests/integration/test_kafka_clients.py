"""The producer and the reader at a real broker, in this process: what goes wrong, and how they get over it."""

import asyncio

import pytest
from kafka.topics import Message

from relay.errors import Reason
from relay.kafka.connection import Connection, quiet_library
from relay.kafka.ends import Ends
from relay.kafka.failures import KafkaFailure
from relay.kafka.producer import Record
from relay.kafka.publisher import NotPublished, Publisher
from relay.kafka.reader import OutOfRange, Reader
from relay.kafka.topics import describe_topic


class Lines(list):
    def info(self, event, /, **fields):
        self.append(event)

    warning = error = info


@pytest.fixture(autouse=True)
def _quiet():
    quiet_library()


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def connection(kafka):
    return Connection(bootstrap_servers=(kafka,))


@pytest.fixture
async def publisher(connection, lines):
    publisher = Publisher(connection, lines)
    yield publisher
    await publisher.close()
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}


def numbered(topic, count, *, key=b"job"):
    return [Record(topic=topic, key=key, value=b"%d" % number) for number in range(count)]


async def refusal(publisher, record):
    with pytest.raises(NotPublished) as raised:
        await publisher.publish(record)
    return raised.value.reason


async def test_many_at_once_are_all_written_and_those_of_one_key_in_order(publisher, topics):
    topic = await topics.create("events", partitions=3)

    async def one_after_another(key):
        for record in numbered(topic, 20, key=key):
            await publisher.publish(record)

    await asyncio.gather(*(one_after_another(b"job-%d" % number) for number in range(50)))
    records = await topics.read(topic, 1_000)
    by_key = {}
    for record in records:
        by_key.setdefault(record.key, []).append(int(record.value))
    assert len(by_key) == 50
    assert all(values == list(range(20)) for values in by_key.values())


async def test_who_publishes_is_told_where_it_stands_and_may_say_in_which_partition(publisher, topics):
    topic = await topics.create("events", partitions=3)
    records = [Record(topic=topic, key=b"job", value=b"%d" % number, partition=number % 3) for number in range(6)]
    written = await asyncio.gather(*map(publisher.publish, records))
    assert sorted(written) == [(partition, offset) for partition in range(3) for offset in range(2)]
    found = {(one.partition, one.offset): one.value for one in await topics.read(topic, 6)}
    assert found == {place: record.value for place, record in zip(written, records, strict=True)}


async def test_where_a_partition_ends_is_asked_anew_each_time_also_after_an_outage(
    publisher, connection, topics, broker
):
    topic = await topics.create("events", partitions=2)
    ends = Ends(connection, topic)
    assert [await ends.of(partition) for partition in (0, 1)] == [0, 0]
    await publisher.publish(Record(topic=topic, key=b"job", value=b"1", partition=1))
    assert [await ends.of(partition) for partition in (0, 1)] == [0, 1]
    broker.freeze()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ends.of(1), 0.5)
    broker.thaw()
    assert await ends.of(1) == 1
    await ends.close()


async def test_a_record_that_the_topic_refuses_does_not_take_others_with_it(publisher, topics):
    """The broker's refusal leaves a gap in the producer's numbers, over which nothing more would get."""
    topic = await topics.create("events", configs={"max.message.bytes": "20000"})
    small = numbered(topic, 3)
    await publisher.publish(small[0])
    assert await refusal(publisher, Record(topic=topic, key=b"job", value=b"x" * 30_000)) is Reason.REFUSED
    for record in small[1:]:
        await publisher.publish(record)
    assert await refusal(publisher, Record(topic=topic, key=b"job", value=b"x" * 3_000_000)) is Reason.REFUSED
    assert [record.value for record in await topics.read(topic, 3)] == [b"0", b"1", b"2"]


async def test_among_many_only_what_is_too_large_is_refused(publisher, topics, lines, monkeypatch):
    """What shares the producer with it is written all the same, and nobody takes it for an outage."""
    monkeypatch.setattr("relay.kafka.connection.REQUEST_SECONDS_MAX", 3.0)
    topic = await topics.create("events", partitions=2, configs={"max.message.bytes": "100000"})
    small = [Record(topic=topic, key=b"%d" % number, value=b"x" * 100) for number in range(300)]
    large = [Record(topic=topic, key=b"%d" % number, value=b"x" * 150_000) for number in range(3)]
    mixed = [*small[:100], large[0], *small[100:200], large[1], *small[200:], large[2]]
    results = await asyncio.gather(*map(publisher.publish, mixed), return_exceptions=True)
    assert [type(result) for result in results if isinstance(result, Exception)] == [NotPublished] * 3
    written = {record.key for record in await topics.read(topic, 300)}
    assert written == {record.key for record in small}
    assert lines == []


async def test_a_topic_that_is_not_there_is_told_from_a_broker_that_is_not_there(publisher, topics, monkeypatch, lines):
    monkeypatch.setattr("relay.kafka.connection.REQUEST_SECONDS_MAX", 1.0)
    assert await refusal(publisher, Record(topic="absent", key=b"job", value=b"x")) is Reason.NOT_FOUND
    topic = await topics.create("events")
    await publisher.publish(numbered(topic, 1)[0])
    await topics.delete(topic)
    assert await refusal(publisher, numbered(topic, 1)[0]) is Reason.NOT_FOUND
    assert lines == []


async def test_a_broker_that_hangs_is_waited_for_in_vain_and_found_again(publisher, topics, broker, monkeypatch, lines):
    monkeypatch.setattr("relay.kafka.publisher.PUBLISH_SECONDS_MAX", 2.0)
    monkeypatch.setattr("relay.kafka.producer.END_SECONDS_MAX", 1.0)
    topic = await topics.create("events")
    first, second, third = numbered(topic, 3)
    await publisher.publish(first)
    broker.freeze()
    assert await refusal(publisher, second) is Reason.TIMEOUT
    assert await refusal(publisher, second) is Reason.TIMEOUT
    broker.thaw()
    monkeypatch.setattr("relay.kafka.publisher.PUBLISH_SECONDS_MAX", 15.0)
    await publisher.publish(second)
    await publisher.publish(third)
    values = [
        record.value for record in await topics.read_until(topic, lambda found: found[-1:] and found[-1].value == b"2")
    ]
    assert list(dict.fromkeys(values)) == [b"0", b"1", b"2"], "repeats are possible, another order is not"
    assert lines == ["kafka.unavailable", "kafka.available"]


async def fetched(reader, count):
    found = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += await reader.fetch(100, 0.2)
    return [(message.partition, message.offset, message.value) for message in found]


async def test_a_reader_begins_where_it_is_told_and_elsewhere_at_the_start(connection, topics):
    topic = await topics.create("intake", partitions=3)
    await topics.produce(topic, *(Message(b"%d" % number, partition=number % 3) for number in range(9)))
    described = await describe_topic(connection, topic, create=False)
    reader = await Reader.open(connection, described, {1: 2})
    try:
        found = await fetched(reader, 7)
        assert sorted(found) == [
            (0, 0, b"0"),
            (0, 1, b"3"),
            (0, 2, b"6"),
            (1, 2, b"7"),
            (2, 0, b"2"),
            (2, 1, b"5"),
            (2, 2, b"8"),
        ]
        assert await reader.positions() == await reader.ends() == {0: 3, 1: 3, 2: 3}
    finally:
        await reader.close()
        await reader.close()


async def test_a_reader_passes_what_is_no_record(connection, topics):
    """The marker that ends a transaction has an offset, too."""
    topic = await topics.create("intake")
    await topics.transact(topic, b"aborted", commit=False)
    await topics.transact(topic, b"committed", commit=True)
    reader = await Reader.open(connection, await describe_topic(connection, topic, create=False), {})
    try:
        assert await fetched(reader, 1) == [(0, 2, b"committed")]
        await reader.fetch(100, 0.5)
        assert await reader.positions() == await reader.ends() == {0: 4}
    finally:
        await reader.close()


async def test_a_reader_that_stands_outside_the_log_says_so_and_goes_on_from_its_start(connection, topics):
    topic = await topics.create("intake", partitions=2)
    await topics.produce(topic, *(Message(b"%d" % number, partition=0) for number in range(5)))
    await topics.forget(topic, before=3)
    reader = await Reader.open(connection, await describe_topic(connection, topic, create=False), {0: 1, 1: 7})
    try:
        outside = {}
        async with asyncio.timeout(10):
            while len(outside) < 2:
                with pytest.raises(OutOfRange) as raised:
                    await reader.fetch(100, 5)
                outside |= raised.value.offsets
                await reader.rewind(raised.value.offsets)
        assert outside == {0: 1, 1: 7}
        assert [offset for _, offset, _ in await fetched(reader, 2)] == [3, 4]
    finally:
        await reader.close()


async def follow(reader):
    async with asyncio.timeout(20):
        while True:
            await reader.ends()
            await reader.fetch(1, 0.5)


async def test_a_reader_of_a_topic_that_goes_says_so(connection, topics):
    topic = await topics.create("intake")
    reader = await Reader.open(connection, await describe_topic(connection, topic, create=False), {})
    try:
        await topics.delete(topic)
        with pytest.raises(KafkaFailure):
            await follow(reader)
    finally:
        await reader.close()


async def test_a_topic_made_anew_has_another_id(connection, topics):
    topic = await topics.create("intake")
    first = await describe_topic(connection, topic, create=False)
    await topics.delete(topic)
    await topics.create_named(topic, partitions=2)
    second = await describe_topic(connection, topic, create=False)
    assert (first.partitions, second.partitions) == (1, 2)
    assert first.id != second.id
