"""A partition is read by position into its image. The log is a list, its reader a fake; the image is a real one."""

import asyncio

import pytest

from relay.core.job import Job
from relay.core.job_row import encode
from relay.errors import Reason
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import Message, OutOfRange
from relay.kafka.topics import Topic
from relay.ledger.kafka import tail as tails
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.tail import Illegible, Tail
from relay.ledger.kafka.topics import LedgerTopic

NUMBER = 4
SECONDS_MAX = 30


def mark(name):
    return b'["mark","%s"]' % name.encode(), b"1"


class Log:
    """Of one partition: what stands at its offsets; markers, and what was compacted away, are None.

    `stuck`: nothing is read any more. `frozen_seconds`: for so long the process stands still while it waits for the
    next records. `failure`: what asking for the end raises.
    """

    def __init__(self, clock):
        self.clock = clock
        self.start = 0
        self.records = []
        self.stuck = False
        self.frozen_seconds = 0
        self.failure = None
        self.opened_at = []
        self.open_readers = 0
        self.asked = 0

    @property
    def end(self):
        return self.start + len(self.records)


class Reader:
    """Gives two offsets at a time."""

    def __init__(self, log, position):
        self._log = log
        self._position = position
        log.opened_at.append(position)
        log.open_readers += 1

    async def fetch(self, records_max, seconds):
        await asyncio.sleep(0)
        log, position = self._log, self._position
        log.clock.time += log.frozen_seconds
        if log.stuck:
            return []
        self._position = max(position, min(position + 2, log.end))
        offsets = range(position, self._position)
        found = [(offset, log.records[offset - log.start]) for offset in offsets]
        return [Message(NUMBER, offset, *record) for offset, record in found if record is not None]

    async def positions(self):
        return {NUMBER: self._position}

    async def ends(self):
        await asyncio.sleep(0)
        self._log.asked += 1
        if self._log.failure is not None:
            raise self._log.failure
        return {NUMBER: self._log.end}

    async def close(self):
        self._log.open_readers -= 1


class Clock:
    def __init__(self):
        self.time = 1_000.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def image(tmp_path, clock):
    made = Image(tmp_path / "image.db", source="t/4", tombstones_kept_seconds=100.0, now=clock)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def log(monkeypatch, clock):
    made = Log(clock)

    async def open_reader(connection, topic, known, partitions):
        assert list(partitions) == [NUMBER]
        return Reader(made, known.get(NUMBER, made.start))

    monkeypatch.setattr(tails.Reader, "open", open_reader)
    return made


@pytest.fixture
def tail(image, log):
    topic = LedgerTopic(topic=Topic(name="t", partitions=9), tombstones_kept_seconds=100.0)
    return Tail(Partition(connection=None, cluster="c", topic=topic, number=NUMBER), image)


@pytest.fixture
async def following(tail):
    """Follows, until the test ends."""
    task = None

    def begin(going_on=lambda: None):
        nonlocal task
        task = asyncio.create_task(tail.follow(going_on))
        return task

    yield begin
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(SECONDS_MAX):
        while not await condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


def holds(image, *names):
    async def looked():
        return set(await image.marks()) == set(names)

    return looked


class TestCatchUp:
    @pytest.mark.parametrize(
        "records",
        [
            [],
            [mark("a"), mark("b"), mark("c")],
            [mark("a"), None, None, None, None],
            [None, None, None],
            [None, mark("a"), None, mark("b")],
        ],
    )
    async def test_the_end_is_a_position_whether_a_record_stands_there_or_not(self, tail, image, log, records):
        log.records = records
        await tail.catch_up()
        assert image.offset == len(records)
        assert image.is_current
        assert len(await image.marks()) == sum(record is not None for record in records)
        assert tail.changed == any(records)
        assert log.open_readers == 0

    async def test_a_log_that_ends_before_it_begins_is_tried_again_by_whoever_asks(self, tail, log):
        """As brokers may say that have just started. It is a failure like others, and no reason to end the process."""
        log.failure = OutOfRange({NUMBER: 7})
        with pytest.raises(KafkaFailure):
            await tail.catch_up()
        assert tail.changed
        assert log.open_readers == 0

    async def test_it_goes_on_where_the_image_is(self, tail, image, log):
        log.records = [mark("a")]
        await tail.catch_up()
        tail.changed = False
        await tail.catch_up()
        assert not tail.changed
        log.records.append(mark("b"))
        await tail.catch_up()
        assert tail.changed
        assert log.opened_at == [0, 1, 1]

    async def test_a_log_that_ends_before_the_image_is_another_one(self, tail, image, log):
        log.records = [mark("a"), mark("b")]
        await tail.catch_up()
        log.records = [mark("c")]
        await tail.catch_up()
        assert set(await image.marks()) == {"c"}
        assert tail.changed

    async def test_an_image_that_may_have_missed_tombstones_begins_anew(self, tail, image, log, clock):
        """Also one that was open all the time, in a process that stood still."""
        log.records = [mark("a"), mark("b")]
        await tail.catch_up()
        clock.time += 51
        log.records[0] = None
        await tail.catch_up()
        assert set(await image.marks()) == {"b"}

    async def test_one_that_cannot_be_read_on_is_given_up(self, tail, log, monkeypatch):
        monkeypatch.setattr(tails, "STANDSTILL_SECONDS_MAX", 0.01)
        log.records, log.stuck = [mark("a")], True
        with pytest.raises(KafkaFailure, match="t/4 cannot be read beyond 0") as told:
            await tail.catch_up()
        assert told.value.reason is Reason.TIMEOUT
        assert log.open_readers == 0

    async def test_what_a_newer_relay_wrote_is_told_with_its_place(self, tail, log):
        row = encode(Job(account="acme", id="1", tracked_at=1.0)).replace(b'"v":2', b'"v":99')
        log.records = [mark("a"), (b'["job","acme","1",1.0]', row)]
        with pytest.raises(Illegible, match=r"t/4 before 2: record .*acme.*version 99"):
            await tail.catch_up()
        assert log.open_readers == 0


class TestFollow:
    async def test_what_comes_is_taken_up_as_it_comes(self, image, log, following):
        log.records = [mark("a"), None]
        following()
        await until(holds(image, "a"))
        log.records += [mark("b"), None]
        await until(holds(image, "a", "b"))
        assert log.opened_at == [0]

    async def test_it_says_that_it_goes_on_also_while_nothing_comes(self, log, following):
        said = []
        following(lambda: said.append(1))

        async def often():
            return len(said) > 3

        await until(often)

    async def test_while_nothing_comes_the_image_does_not_grow_old(self, image, log, clock, following):
        log.records = [mark("a")]
        following()
        await until(holds(image, "a"))
        for _ in range(4):
            clock.time += 40

            async def fresh():
                return not image.end_wanted

            await until(fresh)
        assert not image.outdated

    @pytest.mark.parametrize("end", [0, 1])
    async def test_a_log_that_ends_before_where_it_was_is_another_one(self, image, log, following, end):
        log.records = [mark("a"), mark("b")]
        task = following()
        await until(holds(image, "a", "b"))
        log.records = log.records[:end]
        with pytest.raises(OutOfRange):
            await task
        assert log.open_readers == 0

    async def test_a_process_that_stood_still_for_too_long_begins_anew(self, image, log, clock, following):
        log.records = [mark("a")]
        task = following()
        await until(holds(image, "a"))
        log.frozen_seconds = 51
        with pytest.raises(OutOfRange):
            await task

    async def test_brokers_that_are_away_are_noticed_although_nothing_was_to_come(self, image, log, following):
        log.records = [mark("a")]
        task = following()
        await until(holds(image, "a"))
        log.failure = KafkaFailure(Reason.TIMEOUT, "no answer in time")
        with pytest.raises(KafkaFailure):
            await task
        assert log.open_readers == 0
        assert set(await image.marks()) == {"a"}
