"""A partition as a ledger on a real broker: it changes hands, its commits are cut off, its log is in any state."""

import asyncio
import time

import orjson
import pytest
from kafka.partitions import Partitions
from kafka.topics import Message
from kafka.wire import END_TXN
from msgspec.structs import replace

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import Job
from relay.core.record import Batch, Retention
from relay.errors import LedgerError, LedgerLost, LedgerUnusable, Reason
from relay.kafka.connection import Connection
from relay.kafka.topics import describe_topic
from relay.ledger.kafka.producer import Expired, PartitionProducer
from relay.ledger.kafka.records import Record
from relay.ledger.kafka.topics import LedgerTopic

EAGER = dict.fromkeys(("segment.ms", "max.compaction.lag.ms", "delete.retention.ms"), "1") | {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.0",
}

A, B, C = (Job(account="acme", id=name, tracked_at=100.0) for name in "abc")


@pytest.fixture(scope="module")
def partitions(kafka):
    return Partitions.create(kafka, 32)


@pytest.fixture
def number(partitions):
    return partitions.take()


@pytest.fixture
def opened(open_ledger, partitions, number, tmp_path):
    """Opens ledgers on the test's partition, each with an image of the name given."""
    return lambda image="image", **options: open_ledger(partitions.ledger(folder(tmp_path, image), number, **options))


def folder(parent, name):
    made = parent / name
    made.mkdir(exist_ok=True)
    return made


async def until_compacted(topics, name, ledger):
    """Write on until few records are left; the newest segment is never compacted."""
    async with asyncio.timeout(60):
        count = 100
        while count > 20:
            await asyncio.sleep(0.5)
            await ledger.commit(Batch(marks={"last": b"1"}))
            records = await topics.read_until(name, lambda found: found and b"last" in found[-1].key, seconds=2.0)
            count = len(records)


async def known(ledger):
    return set(await ledger.find([A.key, B.key, C.key]))


def jobs(*those):
    return Batch(jobs=those, unknown=[one.key for one in those])


class TestOwners:
    async def test_a_new_owner_holds_what_the_old_one_has_committed(self, opened):
        first = await opened("first")
        delivery = Delivery(account="acme", job_id="a", tracked_at=100.0, sink="s", sequence=1, since=1.0, due_at=1.0)
        await first.commit(Batch(jobs=[A, B], deliveries=[delivery], marks={"m": b"1", "gone": b"2"}))
        await first.commit(Batch(jobs=[replace(A, state="working")], marks={"gone": None}))
        second = await opened("second")
        assert dict(await second.live(None, 9)) == {B: (), replace(A, state="working"): [delivery]}
        assert await second.marks() == {"m": b"1"}

    async def test_the_old_owner_writes_no_more_and_says_so(self, opened):
        first = await opened("first")
        await first.commit(jobs(A))
        second = await opened("second")
        for _ in range(2):
            with pytest.raises(LedgerLost):
                await first.commit(jobs(B))
        await second.commit(jobs(C))
        assert await known(second) == {A.key, C.key}
        assert await known(await opened("third")) == {A.key, C.key}

    async def test_of_a_crash_in_mid_transaction_the_new_owner_sees_nothing(self, opened, partitions, number):
        first = await opened("first")
        await first.commit(jobs(A))
        dying = await PartitionProducer.start(partitions.at(number))
        await dying._client.begin_transaction()
        await dying._send([Record(b'["mark","half"]', b"1")])
        second = await opened("second")
        assert await second.marks() == {}
        assert await known(second) == {A.key}
        await second.commit(jobs(B))
        await dying.end()
        assert await known(await opened("third")) == {A.key, B.key}

    async def test_a_restart_goes_on_from_the_image(self, opened):
        first = await opened()
        await first.commit(jobs(A))
        await first.close()
        again = await opened()
        assert await known(again) == {A.key}
        await again.commit(jobs(B))
        assert await known(again) == {A.key, B.key}

    async def test_an_image_that_was_away_learns_what_is_gone(self, opened):
        ended = replace(A, state="completed", detected_at=10.0)
        first = await opened("first")
        await first.commit(Batch(jobs=[ended, B]))
        await first.close()
        second = await opened("second")
        assert await second.forget(Retention(finished_before=99.0, dead_before=99.0), 9) == 1
        assert await known(await opened("first")) == {B.key}
        assert await known(await opened("third")) == {B.key}


class TestDoubt:
    """A commit whose outcome nobody was told."""

    async def test_if_it_was_written_its_owner_is_told_that_the_record_holds_more(self, opened, wire, impatient):
        ledger = await opened("first", connection=wire.connection)
        await ledger.commit(jobs(A))
        wire.cut_after(END_TXN)
        with pytest.raises(LedgerError) as told:
            await ledger.commit(jobs(B))
        assert not isinstance(told.value, LedgerLost)
        assert wire.is_cut
        assert await known(ledger) == {A.key}
        wire.mend()
        for _ in range(2):
            with pytest.raises(LedgerLost, match="written after all"):
                await ledger.commit(jobs(C))
        assert await known(ledger) == {A.key, B.key}
        await ledger.close()
        assert await known(await opened("first")) == {A.key, B.key}

    async def test_it_is_told_so_also_when_the_first_try_to_find_out_fails_half_way(
        self, opened, wire, impatient, monkeypatch
    ):
        """When what was written is in the image already, and the next try finds nothing new."""
        ledger = await opened("first", connection=wire.connection)
        wire.cut_after(END_TXN)
        with pytest.raises(LedgerError):
            await ledger.commit(jobs(A))
        wire.mend()

        async def fail():
            monkeypatch.undo()
            raise LedgerError("the disk is full")

        monkeypatch.setattr(ledger._image, "settle", fail)
        with pytest.raises(LedgerError, match="disk is full"):
            await ledger.commit(jobs(B))
        assert await known(ledger) == {A.key}
        with pytest.raises(LedgerLost):
            await ledger.commit(jobs(B))

    async def test_if_it_was_not_written_its_owner_goes_on(self, opened, wire, impatient):
        ledger = await opened("first", connection=wire.connection)
        await ledger.commit(jobs(A))
        wire.cut_before(END_TXN)
        with pytest.raises(LedgerError):
            await ledger.commit(jobs(B))
        assert wire.is_cut
        wire.mend()
        await ledger.commit(jobs(C))
        assert await known(ledger) == {A.key, C.key}
        assert await known(await opened("second")) == {A.key, C.key}

    async def test_while_the_broker_is_away_commits_fail_in_bounded_time_and_reads_are_answered(
        self, opened, wire, impatient
    ):
        ledger = await opened("first", connection=wire.connection)
        await ledger.commit(jobs(A))
        wire.cut()
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(LedgerError) as told:
                await ledger.commit(jobs(B))
            assert time.monotonic() - began < 5.0
            assert not isinstance(told.value, LedgerLost)
        assert await known(ledger) == {A.key}
        wire.mend()
        await ledger.commit(jobs(B))
        assert await known(ledger) == {A.key, B.key}

    async def test_what_others_wrote_meanwhile_is_noticed(self, opened, wire, impatient):
        ledger = await opened("first", connection=wire.connection)
        wire.cut()
        with pytest.raises(LedgerError):
            await ledger.commit(jobs(A))
        other = await opened("second")
        await other.commit(jobs(B))
        wire.mend()
        with pytest.raises(LedgerLost):
            await ledger.commit(jobs(A))


class TestExpired:
    """The broker forgets a producer that had nothing to commit for a week."""

    @pytest.fixture
    def forgotten(self, monkeypatch):
        """To be called with how many of the next commits fail for it."""
        commit = PartitionProducer.commit
        left = [0]

        async def forgetful(producer, *records):
            if left[0]:
                left[0] -= 1
                raise Expired(Reason.UNAVAILABLE, "invalid producer id mapping")
            return await commit(producer, *records)

        monkeypatch.setattr(PartitionProducer, "commit", forgetful)
        return lambda times: left.__setitem__(0, times)

    async def test_its_owner_does_not_notice(self, opened, forgotten):
        ledger = await opened()
        forgotten(1)
        await ledger.commit(jobs(A))
        await ledger.commit(jobs(B))
        assert await known(await opened("second")) == {A.key, B.key}

    async def test_where_another_producer_is_forgotten_as_well_it_is_an_error(self, opened, forgotten):
        ledger = await opened()
        forgotten(2)
        with pytest.raises(LedgerError, match="invalid producer id mapping"):
            await ledger.commit(jobs(A))
        await ledger.commit(jobs(B))
        assert await known(ledger) == {B.key}


async def test_while_a_broker_answers_nothing_commits_fail_in_bounded_time(opened, broker, impatient):
    """As a leader does that hangs, or is cut off."""
    ledger = await opened()
    await ledger.commit(jobs(A))
    broker.freeze()
    began = time.monotonic()
    with pytest.raises(LedgerError):
        await ledger.commit(jobs(B))
    assert time.monotonic() - began < 5.0
    broker.thaw()
    async with asyncio.timeout(60):
        while True:
            try:
                await ledger.commit(Batch(marks={"m": b"1"}))
                break
            except LedgerLost:  # it was written after all
                await ledger.close()
                await ledger.open()
            except LedgerError:
                await asyncio.sleep(0.1)
    assert await ledger.marks() == {"m": b"1"}


async def test_an_image_that_is_damaged_is_lost_to_its_owner_and_read_anew(opened):
    ledger = await opened("first")
    await ledger.commit(jobs(A))

    async def damaged(batch):
        raise LedgerUnusable("it is damaged")

    ledger._image.changes_of = damaged
    for _ in range(2):
        with pytest.raises(LedgerLost, match="its image was damaged"):
            await ledger.commit(jobs(B))
    await ledger.close()
    again = await opened("first")
    assert await known(again) == {A.key}
    await again.commit(jobs(B))


class TestRefused:
    async def test_a_row_that_is_too_large_fails_alone(self, opened):
        ledger = await opened()
        await ledger.commit(jobs(A))
        with pytest.raises(LedgerError, match="too large"):
            await ledger.commit(Batch(jobs=[B, replace(C, job_status=b'"' + b"x" * 3_000_000 + b'"')]))
        await ledger.commit(Batch(marks={"m": b"1"}))
        assert await known(ledger) == {A.key}
        assert await known(await opened("second")) == {A.key}

    async def test_what_could_not_be_read_again_is_not_written(self, opened):
        ledger = await opened()
        with pytest.raises(LedgerError, match="cannot be recorded"):
            await ledger.commit(Batch(jobs=[A, replace(B, job_status=b"{not JSON")]))
        await ledger.commit(jobs(C))
        assert await known(await opened("second")) == {C.key}

    async def test_a_row_of_a_newer_relay_is_refused_by_name(self, opened, partitions, number, topics):
        row = orjson.dumps({"v": 99, "account": "acme", "id": "a", "tracked_at": 100.0})
        message = Message(row, key=b'["job","acme","a",100.0]', partition=number)
        await topics.produce(partitions.topic.topic.name, message)
        with pytest.raises(LedgerUnusable, match=r"a job row of version 99, newer than .*: upgrade relay"):
            await opened()


class TestEnds:
    """Where the log ends without a record, reading ends, too."""

    async def test_an_empty_log(self, opened):
        ledger = await opened()
        assert await known(ledger) == set()

    async def test_markers_and_aborted_transactions(self, opened, partitions, number):
        first = await opened("first")
        await first.commit(jobs(A))
        await first.close()
        for _ in range(3):
            aborting = await PartitionProducer.start(partitions.at(number))
            await aborting._client.begin_transaction()
            await aborting._send([Record(b'["mark","half"]', b"1")])
            await aborting._client.abort_transaction()
            await aborting.end()
        for image in ("first", "second"):
            assert await known(await opened(image)) == {A.key}

    async def test_a_log_that_was_compacted(self, kafka, topics, tmp_path):
        """Rows that were replaced or forgotten are gone from it, and the end is where no record is any more."""
        name = await topics.create("ledger", configs=EAGER)
        connection = Connection(bootstrap_servers=(kafka,))
        topic = LedgerTopic(topic=await describe_topic(connection, name, create=False), tombstones_kept_seconds=100.0)
        partition = Partitions(connection, topic)
        writer = partition.ledger(folder(tmp_path, "first"), 0)
        await writer.open()
        await writer.commit(Batch(jobs=[A, B, C]))
        for count in range(30):
            await writer.commit(Batch(jobs=[replace(A, sequence=count), replace(B, state="completed")]))
        await writer.forget(Retention(finished_before=1e9, dead_before=1e9), 9)
        await until_compacted(topics, name, writer)
        await writer.close()
        for image in ("first", "second"):
            ledger = partition.ledger(folder(tmp_path, image), 0)
            await ledger.open()
            assert await ledger.find([A.key, B.key, C.key]) == {A.key: replace(A, sequence=29), C.key: C}
            await ledger.close()

    async def test_a_log_of_which_all_is_gone(self, perishable, topics, tmp_path):
        """What an image has kept of it counts no more."""
        ledger = perishable.ledger(tmp_path, 0)
        await ledger.open()
        await ledger.commit(jobs(A))
        await ledger.commit(jobs(B))
        await ledger.close()
        name = perishable.topic.topic.name
        other = await PartitionProducer.start(perishable.at(0))
        end = await other.commit([Record(b'["mark","m"]', b"1")])
        await other.end()
        await topics.forget(name, end + 1)
        again = perishable.ledger(tmp_path, 0)
        await again.open()
        assert (await known(again), await again.marks()) == (set(), {})
        await again.commit(jobs(C))
        await again.close()

    async def test_a_topic_that_is_deleted(self, perishable, topics, tmp_path, impatient):
        ledger = perishable.ledger(tmp_path, 0)
        await ledger.open()
        await ledger.commit(jobs(A))
        await topics.delete(perishable.topic.topic.name)
        for _ in range(2):
            with pytest.raises(LedgerError):
                await ledger.commit(jobs(B))
        await ledger.close()


async def test_closing_ends_a_commit_or_leaves_it_to_its_own(opened):
    ledger = await opened()
    commit = asyncio.create_task(ledger.commit(jobs(A)))
    await asyncio.sleep(0)
    await ledger.close()
    await ledger.close()
    [outcome] = await asyncio.gather(commit, return_exceptions=True)
    again = await opened()
    assert outcome is not None or await known(again) == {A.key}


async def test_forgetting_takes_deliveries_with_it(opened):
    settled = Delivery(
        account="acme",
        job_id="a",
        tracked_at=100.0,
        sink="s",
        sequence=1,
        since=1.0,
        due_at=1.0,
        state=DeliveryState.DEAD,
        settled_at=2.0,
    )
    ledger = await opened("first")
    await ledger.commit(Batch(jobs=[replace(A, state="completed", detected_at=10.0)], deliveries=[settled]))
    await ledger.forget(Retention(finished_before=99.0, dead_before=99.0), 9)
    for each in (ledger, await opened("second")):
        assert await each.delivery(settled.key) is None
        assert {one.dead for one in (await each.backlog()).values()} <= {0}
