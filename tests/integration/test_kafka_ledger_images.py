"""Images of a real broker's partitions: followed, taken over, given back, cut off and read anew."""

import asyncio
import time

import orjson
import pytest
from integration.processes import until
from kafka.partitions import Partitions
from kafka.topics import Message
from kafka.wire import END_TXN
from msgspec.structs import replace

from relay.core.delivery import Delivery
from relay.core.job import Event, EventType, Job
from relay.core.record import Batch, EventFilter, Retention
from relay.errors import LedgerError, LedgerLost, LedgerUnusable
from relay.ledger.kafka.images import Images
from relay.ledger.kafka.producer import PartitionProducer
from relay.ledger.kafka.publishing import Publishing
from relay.ledger.kafka.records import Record

SECONDS_MAX = 30
A, B, C = (Job(account="acme", id=name, tracked_at=100.0) for name in "abc")


class Log:
    def __init__(self):
        self.events = []

    def info(self, event, /, **fields):
        self.events.append((event, fields))

    warning = error = info

    def named(self, name):
        return [fields for event, fields in self.events if event == name]


class Replica:
    """Images, running, and what they told."""

    def __init__(self, folder, partitions):
        self.log = Log()
        self.reached, self.heard = [], []
        self.images = Images(partitions, folder=folder, publishing=Publishing({}), now=time.time, log=self.log)
        self.images.reached = lambda *told: self.reached.append(told)
        self.images.changed = lambda partition, jobs: self.heard.extend((partition, job) for job in jobs)
        self.running = None

    async def start(self):
        await self.images.open()
        self.running = asyncio.create_task(self.images.run())
        return self

    async def stop(self):
        await self.images.close()
        await asyncio.gather(self.running, return_exceptions=True)

    @property
    def rows(self):
        return self.images.all[0].rows

    async def current(self):
        async with asyncio.timeout(SECONDS_MAX):
            await self.images.current.wait()
        return self

    async def sees(self, wanted):
        """Until the first image holds just these jobs."""

        async def seen():
            return await known(self.rows) == {job.key: job for job in wanted}

        await until(seen, SECONDS_MAX, "its image holds other jobs")


async def known(ledger):
    return await ledger.find([A.key, B.key, C.key])


def jobs(*those):
    return Batch(jobs=those, unknown=[one.key for one in those])


@pytest.fixture(scope="module")
def partitions(kafka):
    return Partitions.create(kafka, 24)


@pytest.fixture
def number(partitions):
    return partitions.take()


@pytest.fixture
async def replica(partitions, number, tmp_path):
    """Starts replicas that know the test's partition only, each with a folder of the name given."""
    made = []

    async def start(name, **options):
        (tmp_path / name).mkdir(exist_ok=True)
        made.append(await Replica(tmp_path / name, [partitions.at(number, **options)]).start())
        return made[-1]

    yield start
    for each in made:
        await each.stop()


@pytest.fixture
def owned(open_ledger, number):
    """Opens the ledger of a replica's partition."""

    async def always():
        """It is ours."""

    return lambda replica, still_ours=always: open_ledger(replica.images.ledger(number, still_ours))


async def everything(ledger):
    page = await ledger.page(accounts=None, state=None, after=None, limit=100)
    events = await ledger.events(EventFilter(), 0, 100)
    return page, [await ledger.deliveries_of(job) for job in page], events, await ledger.positions()


def started(job, position):
    event = Event(
        type=EventType.STARTED,
        sequence=1,
        detected_at=100.0 + position,
        previous_status=None,
        metadata=b"{}",
        position=position,
    )
    return replace(job, sequence=1, events=(event,))


class TestFollowing:
    async def test_a_followed_image_is_what_its_owner_has(self, replica, owned):
        first, second = await replica("first"), await replica("second")
        ledger = await owned(first)
        owed = Delivery(account="acme", job_id="a", tracked_at=100.0, sink="s", sequence=1, since=1.0, due_at=1.0)
        a, b = started(A, 1), started(B, 2)
        await ledger.commit(
            Batch(jobs=[a, b, C], events=[(a, a.events[0]), (b, b.events[0])], deliveries=[owed], marks={"m": b"1"})
        )
        ended = replace(C, state="completed", detected_at=5.0)
        await ledger.commit(Batch(jobs=[ended], marks={"last": b"1"}))
        assert await ledger.forget(Retention(finished_before=9.0, dead_before=9.0), 9) == 1
        await second.sees([a, b])
        assert await everything(second.rows) == await everything(ledger)
        assert await second.images.all[0].marks() == {"m": b"1", "last": b"1"}

    async def test_rows_are_told_once_an_image_was_at_its_end_and_by_whoever_writes(self, replica, owned, number):
        owner = await replica("owner")
        ledger = await owned(owner)
        await ledger.commit(jobs(started(A, 1)))
        follower = await (await replica("follower")).current()
        assert (follower.reached, follower.heard) == ([(number, 1)], [])
        await ledger.commit(jobs(B))
        await follower.sees([started(A, 1), B])
        assert follower.heard == [(number, B)]
        assert owner.heard == [(number, started(A, 1)), (number, B)]

    @pytest.mark.parametrize("marks", [{}, {"m": b"1"}])
    async def test_an_end_without_a_record_is_reached(self, replica, partitions, number, marks):
        """An empty log, or one that ends with what was aborted, and with markers."""
        for name, value in marks.items():
            producer = await PartitionProducer.start(partitions.at(number))
            await producer.commit([Record(orjson.dumps(["mark", name]), value)])
            await producer._client.begin_transaction()
            await producer._send([Record(b'["mark","half"]', b"1")])
            await producer._client.abort_transaction()
            await producer.end()
        follower = await (await replica("follower")).current()
        assert await follower.images.all[0].marks() == marks

    async def test_it_goes_on_after_an_outage_and_says_so_once(self, replica, owned, wire, impatient):
        ledger = await owned(await replica("owner"))
        await ledger.commit(jobs(A))
        follower = await replica("follower", connection=wire.connection)
        await follower.current()
        wire.cut()
        await ledger.commit(jobs(B))
        await until(lambda: follower.log.named("ledger.not_followed"), SECONDS_MAX, "the outage was not told")
        assert await known(follower.rows) == {A.key: A}
        wire.mend()
        await follower.sees([A, B])
        await until(lambda: follower.log.named("ledger.followed"), SECONDS_MAX, "its end was not told")
        assert [name for name, _ in follower.log.events] == ["ledger.not_followed", "ledger.followed"]
        assert follower.reached[1:] == []

    async def test_a_restart_goes_on_from_where_it_was(self, replica, owned):
        ledger = await owned(await replica("owner"))
        await ledger.commit(jobs(A))
        first = await (await replica("follower")).current()
        await first.stop()
        await ledger.commit(jobs(B))
        again = await (await replica("follower")).current()
        await again.sees([A, B])

    async def test_what_a_newer_relay_wrote_ends_it_with_an_error_that_says_so(
        self, replica, partitions, number, topics
    ):
        follower = await (await replica("follower")).current()
        row = orjson.dumps({"v": 99, "account": "acme", "id": "a", "tracked_at": 100.0})
        message = Message(row, key=b'["job","acme","a",100.0]', partition=number)
        await topics.produce(partitions.topic.topic.name, message)
        with pytest.raises(LedgerUnusable, match=r"a job row of version 99, newer than .*: upgrade relay"):
            async with asyncio.timeout(SECONDS_MAX):
                await follower.running


class TestLostLogs:
    async def test_where_what_comes_next_is_gone_an_image_begins_anew(self, perishable, topics, tmp_path, impatient):
        """It is not current meanwhile, and says when it is again."""
        writer = await PartitionProducer.start(perishable.at(0))
        await writer.commit([Record(b'["mark","old"]', b"1")])
        follower = await Replica(tmp_path, [perishable.at(0)]).start()
        await follower.current()
        await follower.stop()
        end = await writer.commit([Record(b'["mark","lost"]', b"1")])
        await writer.commit([Record(b'["mark","kept"]', b"1")])
        await writer.end()
        await topics.forget(perishable.topic.topic.name, end + 1)
        follower = await Replica(tmp_path, [perishable.at(0)]).start()
        await follower.current()
        assert await follower.images.all[0].marks() == {"kept": b"1"}
        assert [name for name, _ in follower.log.events][:1] == ["ledger.not_followed"]
        await follower.stop()

    async def test_a_topic_that_is_deleted_is_told_and_read_on_answered(self, perishable, topics, tmp_path, impatient):
        writer = await PartitionProducer.start(perishable.at(0))
        await writer.commit([Record(b'["mark","m"]', b"1")])
        await writer.end()
        follower = await Replica(tmp_path, [perishable.at(0)]).start()
        await follower.current()
        await topics.delete(perishable.topic.topic.name)
        await until(lambda: follower.log.named("ledger.not_followed"), SECONDS_MAX, "nobody was told")
        assert await follower.images.all[0].marks() == {"m": b"1"}
        await follower.stop()


class TestOwners:
    async def test_a_follower_takes_over_and_the_former_owner_follows(self, replica, owned):
        first, second = await replica("first"), await replica("second")
        former = await owned(first)
        await former.commit(jobs(A))
        ledger = await owned(second)
        assert await known(ledger) == {A.key: A}
        await ledger.commit(jobs(B))
        with pytest.raises(LedgerLost):
            await former.commit(jobs(C))
        await former.close()
        await first.sees([A, B])
        await ledger.commit(jobs(C))
        await first.sees([A, B, C])

    async def test_an_image_can_be_read_while_it_changes_hands(self, replica, owned):
        first = await (await replica("first")).current()
        for count in range(3):
            ledger = await owned(first)
            await ledger.commit(Batch(jobs=[replace(A, sequence=count)]))
            assert await known(first.rows) == {A.key: replace(A, sequence=count)}
            await ledger.close()
            assert await known(first.rows) == {A.key: replace(A, sequence=count)}
        assert first.images.current.is_set()

    async def test_one_who_is_told_that_it_is_not_his_any_more_fences_nobody(self, replica, owned, wire, impatient):
        async def not_ours():
            raise LedgerLost("the group says that it is not ours")

        answers = []

        async def ask():
            if answers:
                await answers[0]()

        zombie = await owned(await replica("zombie", connection=wire.connection), ask)
        await zombie.commit(jobs(A))
        wire.cut_before(END_TXN)
        with pytest.raises(LedgerError):
            await zombie.commit(jobs(B))
        true = await owned(await replica("true"))
        await true.commit(jobs(C))
        wire.mend()
        answers.append(not_ours)
        with pytest.raises(LedgerLost, match="the group says that it is not ours"):
            await zombie.commit(jobs(B))
        await true.commit(Batch(marks={"still": b"1"}))
        await zombie.close()  # before its way is cut again

    async def test_a_zombie_that_fences_the_true_owner_late_is_fenced_in_turn(self, replica, owned):
        """It was asked while it was still his, and came to it afterwards. Both end where the group wants them."""
        zombie = await owned(await replica("zombie"))
        await zombie.commit(jobs(A))
        second = await replica("second")
        true = await owned(second)
        await true.commit(jobs(B))
        await zombie.close()
        late = await owned(await replica("third"))
        with pytest.raises(LedgerLost):
            await true.commit(jobs(C))
        await true.close()
        again = await owned(second)
        await again.commit(jobs(C))
        with pytest.raises(LedgerLost):
            await late.commit(Batch(marks={"late": b"1"}))
        assert await known(again) == {A.key: A, B.key: B, C.key: C}
        assert await again.marks() == {}

    async def test_they_close_in_bounded_time_also_where_an_owner_was_forgotten(self, replica, monkeypatch, owned):
        first = await replica("first")
        await owned(first)
        monkeypatch.setattr("relay.ledger.kafka.custody.CLOSE_SECONDS_MAX", 0.2)
        async with asyncio.timeout(SECONDS_MAX):
            await first.stop()
