"""Events that the ledger publishes itself, in the transaction that records them, on a real broker."""

import asyncio
import itertools
import uuid

import pytest
from kafka.partitions import Partitions
from kafka.settings import GUEST, PASSWORDS, SASL
from kafka.topics import Message as Plain
from kafka.topics import Operation, Resource
from kafka.wire import END_TXN

from relay.core.delivery import Delivery, DeliveryState
from relay.core.events import CloudEvent, binary
from relay.core.job import Job
from relay.core.record import Batch, Message
from relay.errors import LedgerError, LedgerLost, NotPublishable, Reason
from relay.kafka.connection import Connection
from relay.kafka.producer import Record
from relay.ledger.kafka import producer as producing
from relay.ledger.kafka import publishing

SINK = "bus"


def event(number, data=b"{}"):
    return CloudEvent(
        id=f"evt_{number}",
        source="s",
        type="t",
        subject=str(number),
        time="",
        partitionkey=f"acme/{number}",
        sequence=f"{1:010d}",
        data=data,
    )


def batch(*numbers, data=b"{}"):
    """Jobs, and their first events told to the sink."""
    jobs = [Job(account="acme", id=str(number), tracked_at=100.0) for number in numbers]
    told = [
        Delivery(
            account="acme",
            job_id=job.id,
            tracked_at=100.0,
            sink=SINK,
            sequence=1,
            since=1.0,
            due_at=1.0,
            state=DeliveryState.DELIVERED,
            settled_at=1.0,
        )
        for job in jobs
    ]
    return Batch(
        jobs=jobs,
        deliveries=told,
        unknown=[job.key for job in jobs],
        messages=[Message(sink=SINK, event=event(number, data)) for number in numbers],
    )


def silent(*numbers):
    return Batch(jobs=batch(*numbers).jobs)


def to(topic):
    def render(one: CloudEvent) -> Record:
        return Record(topic=topic, key=one.partitionkey.encode(), value=one.data, headers=binary(one))

    return {SINK: render}


@pytest.fixture(scope="module")
def partitions(kafka):
    return Partitions.create(kafka, 12)


@pytest.fixture
def opened(open_ledger, partitions, tmp_path):
    """Opens ledgers on partitions of their own, or this one."""
    folders = map(str, itertools.count())

    async def open_one(topic, number=None, **options):
        folder = tmp_path / next(folders)
        folder.mkdir()
        return await open_ledger(partitions.ledger(folder, number, sinks=to(topic), **options))

    return open_one


@pytest.fixture
async def events(topics):
    return await topics.create("events", partitions=3)


async def ids(topics, topic, count):
    """Of the first so many events, and others that come with them."""
    records = await topics.read_until(topic, lambda found: len(found) >= count)
    return sorted(dict(record.headers)["ce_id"].decode() for record in records)


async def recorded(ledger, *numbers):
    return sorted(key.id for key in await ledger.find(batch(*numbers).unknown))


async def test_what_is_recorded_is_published_where_any_client_would_put_it(opened, events, topics):
    ledger = await opened(events)
    await ledger.commit(batch(*range(30)))
    reference = await topics.create("reference", partitions=3)
    await topics.produce(reference, *[Plain(b"{}", key=b"acme/%d" % number) for number in range(30)])
    published, expected = [await topics.read(name, 30) for name in (events, reference)]
    assert {record.key: record.partition for record in published} == {
        record.key: record.partition for record in expected
    }
    [record] = [record for record in published if record.key == b"acme/7"]
    assert (record.value, list(record.headers)) == (b"{}", binary(event(7)))


async def test_many_messages_of_one_job_keep_their_order(opened, events, topics):
    ledger = await opened(events)
    job = Job(account="acme", id="1", tracked_at=100.0)
    texts = [b'{"n":%d,"text":"%s"}' % (number, b"x" * 3_000) for number in range(100)]
    messages = [Message(sink=SINK, event=event(1, text)) for text in texts]
    await ledger.commit(Batch(jobs=[job], messages=messages))
    assert [record.value for record in await topics.read(events, 100)] == texts


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("written", [False, True])
async def test_an_event_is_to_be_read_if_and_only_if_it_is_recorded(opened, events, topics, partitions, wire, written):
    """Whatever becomes of a commit of which nobody was told how it ended."""
    number = partitions.take()
    ledger = await opened(events, number, connection=wire.connection)
    await ledger.commit(batch(1))
    (wire.cut_after if written else wire.cut_before)(END_TXN)
    with pytest.raises(LedgerError):
        await ledger.commit(batch(2))
    other = await opened(events, number)
    await other.commit(batch(3))
    wire.mend()
    numbers = [1, 2, 3] if written else [1, 3]
    assert await ids(topics, events, len(numbers)) == [f"evt_{one}" for one in numbers]
    assert await recorded(other, 1, 2, 3) == [str(one) for one in numbers]
    with pytest.raises(LedgerLost):
        await ledger.commit(batch(4))
    await ledger.close()  # before its way is cut again


class TestNotPublishable:
    """The ledger can be written, and the topic of the events cannot."""

    @pytest.fixture
    def producers(self, monkeypatch):
        """How many were started."""
        started = []
        start = producing.PartitionProducer.start

        async def counted(partition):
            started.append(partition)
            return await start(partition)

        monkeypatch.setattr(producing.PartitionProducer, "start", counted)
        return started

    async def test_a_topic_that_is_not_there_costs_no_producer_and_little_time(self, opened, impatient, producers):
        ledger = await opened("no-such-topic")
        for _ in range(2):
            with pytest.raises(NotPublishable, match="no-such-topic") as told:
                await ledger.commit(batch(1))
        assert told.value.reason in {Reason.NOT_FOUND, Reason.TIMEOUT}
        assert await recorded(ledger, 1) == []
        await ledger.commit(silent(1))
        assert await recorded(ledger, 1) == ["1"]
        assert len(producers) == 1

    async def test_once_the_topic_is_there_events_are_published(self, opened, topics, impatient, monkeypatch):
        monkeypatch.setattr(publishing, "PAUSE_SECONDS_MIN", 0.1)
        name = f"late-{uuid.uuid4().hex[:12]}"
        ledger = await opened(name)
        with pytest.raises(NotPublishable):
            await ledger.commit(batch(1))
        await topics.create_named(name)
        async with asyncio.timeout(30):
            while True:
                try:
                    await ledger.commit(batch(1))
                    break
                except NotPublishable:
                    await asyncio.sleep(0.1)
        assert await ids(topics, name, 1) == ["evt_1"]

    async def test_a_message_that_is_too_large_is_told_by_name_and_others_go_on(self, opened, topics, producers):
        """It costs one producer, once; what is as large is not tried again."""
        events = await topics.create("events", configs={"max.message.bytes": "100000"})
        ledger = await opened(events)
        for _ in range(2):
            with pytest.raises(NotPublishable, match=r"raise max\.message\.bytes of the topic") as told:
                await ledger.commit(batch(1, data=b'"' + b"x" * 200_000 + b'"'))
            assert (told.value.reason, told.value.too_large) == (Reason.REFUSED, {"evt_1"})
        await ledger.commit(batch(2))
        assert await recorded(ledger, 1, 2) == ["2"]
        assert await ids(topics, events, 1) == ["evt_2"]
        assert len(producers) == 2

    @pytest.fixture
    async def guest(self, events, topics, kafka_cluster, partitions):
        """Comes as one who may write to the ledger, and only look at the topic of events."""
        await topics.allow(GUEST, Resource.TOPIC, partitions.topic.topic.name, *Operation)
        await topics.allow(GUEST, Resource.TRANSACTIONAL_ID, f"relay.{partitions.cluster}", Operation.WRITE)
        await topics.allow(GUEST, Resource.TOPIC, events, Operation.DESCRIBE)
        [broker] = kafka_cluster.brokers
        return Connection(
            bootstrap_servers=(broker.node.address(SASL),),
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=GUEST,
            sasl_password=PASSWORDS[GUEST],
        )

    async def test_who_may_not_write_to_it_is_told_so_and_records_without(
        self, opened, events, guest, producers, monkeypatch
    ):
        """A transaction that is denied one topic must not be left open in the ledger's."""
        monkeypatch.setattr(publishing, "PAUSE_SECONDS_MIN", 60.0)
        ledger = await opened(events, connection=guest)
        for _ in range(2):
            with pytest.raises(NotPublishable, match="let the user do this") as told:
                await ledger.commit(batch(1))
        assert told.value.reason is Reason.FORBIDDEN
        assert await recorded(ledger, 1) == []
        await ledger.commit(silent(1))
        assert await recorded(ledger, 1) == ["1"]
        assert len(producers) == 2
