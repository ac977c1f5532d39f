"""All images of a process: opened together, and told about each by its partition. Their followers wait for brokers."""

import asyncio

import pytest

from relay.core.job import Job
from relay.core.record import Batch
from relay.errors import LedgerUnusable
from relay.kafka.connection import Connection
from relay.kafka.topics import Topic
from relay.ledger.kafka import custody
from relay.ledger.kafka.images import Images
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.publishing import Publishing
from relay.ledger.kafka.reading import from_records
from relay.ledger.kafka.tail import Illegible
from relay.ledger.kafka.topics import LedgerTopic

TOPIC = LedgerTopic(topic=Topic(name="t", partitions=3), tombstones_kept_seconds=100.0)
JOB = Job(account="acme", id="1", tracked_at=100.0)


@pytest.fixture
def made(tmp_path):
    def make():
        connection = Connection(bootstrap_servers=("127.0.0.1:1",))
        partitions = [Partition(connection=connection, cluster="c", topic=TOPIC, number=number) for number in range(3)]
        return Images(partitions, folder=tmp_path, publishing=Publishing({}), now=lambda: 1.0, log=None)

    return make


@pytest.fixture
async def images(made):
    opened = made()
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def follower(monkeypatch):
    """Raises what its attribute says, or waits."""

    class Follower:
        error = None

        def __init__(self, *_): ...

        async def run(self):
            if Follower.error is not None:
                raise Follower.error
            await asyncio.Event().wait()

    monkeypatch.setattr(custody, "Follower", Follower)
    return Follower


async def put(image, batch):
    await image.apply(from_records(image.records_of(await image.changes_of(batch))), 1, at_end=True)


async def test_they_are_current_while_each_of_them_is(images):
    for image in images.all:
        assert not images.current.is_set()
        await image.settle()
    assert images.current.is_set()
    await images.all[1].start_over()
    assert not images.current.is_set()
    await images.all[1].settle()
    assert images.current.is_set()


async def test_what_is_told_is_told_with_its_partition(images):
    told = []
    images.reached = lambda partition, newest: told.append((partition, newest))
    images.changed = lambda partition, jobs: told.append((partition, list(jobs)))
    await images.all[2].settle()
    await put(images.all[2], Batch(jobs=[JOB]))
    await put(images.all[0], Batch(jobs=[JOB]))
    assert told == [(2, 0), (2, [JOB])]


async def test_if_one_cannot_be_opened_all_are_closed(images, made, tmp_path):
    """Another process has it: here, the other images of this one."""
    await images.all[0].close()
    others = made()
    with pytest.raises(LedgerUnusable, match="another relay has it open"):
        await others.open()
    await images.all[0].open()


async def test_they_are_followed_until_they_are_closed(follower, made):
    images = made()
    await images.open()
    running = asyncio.create_task(images.run())
    for _ in range(2):
        await images.close()
    await running


async def test_a_partition_that_cannot_be_read_ends_all_with_an_error_that_says_why(follower, made):
    follower.error = Illegible("t/1 before 7: a job row of version 99")
    images = made()
    await images.open()
    with pytest.raises(LedgerUnusable, match="version 99"):
        await images.run()
    await images.close()
