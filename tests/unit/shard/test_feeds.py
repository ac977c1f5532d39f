import asyncio
from itertools import count, cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.job import TrackRequest
from relay.core.observe import Rules, delete, observe, record, track
from relay.core.record import Batch, EventFilter, Retention
from relay.core.sighting import sight
from relay.errors import CursorExpired
from relay.ledger.memory import MemoryLedger
from relay.shard.feed import Feed
from relay.shard.feeds import Feeds

ALL = EventFilter()
NOW = 1_700_000_000.0
SOURCES = {"acme": "https://acme.test"}


class Partition:
    """A ledger of its own, and the feed of what is committed to it."""

    def __init__(self, number):
        self.ledger = MemoryLedger()
        self.feed = Feed(recorded=self.ledger, sources=SOURCES)
        self.feed.resume(0)
        self.recorded = []
        self._number = number
        self._positions = count(1)

    async def see(self, events=1, at=NOW):
        """One commit of so many events, each of another job. The ids of all jobs tell where they are recorded."""
        jobs = []
        for _ in range(events):
            position = next(self._positions)
            job = track(TrackRequest(account="acme", id=f"{self._number}-{position}"), at)
            jobs.append(record(observe(job, sight({"id": job.id, "status": "completed"}), at, Rules()), position))
        await self.ledger.commit(Batch(jobs=jobs, events=[(job, job.events[-1]) for job in jobs]))
        self.recorded += [job.id for job in jobs]
        self.feed.publish(jobs)

    async def restart(self):
        self.feed.resume((await self.ledger.positions()).newest)


class Topic:
    def __init__(self, partitions):
        self.partitions = [Partition(number) for number in range(partitions)]
        self.feeds = Feeds([partition.feed for partition in self.partitions])

    async def ids(self, after, limit=100):
        return [placed.job.id for placed in (await self.feeds.page(ALL, after, limit)).events]


@pytest.fixture
def topic():
    return Topic(3)


async def test_what_is_read_together_is_in_the_order_of_detection_as_far_as_each_partition_is(topic):
    first, second, _ = topic.partitions
    await first.see(at=NOW + 3)
    await first.see(at=NOW + 1)
    await second.see(at=NOW + 2)
    page = await topic.feeds.page(ALL, (0, 0, 0), 100)
    assert [placed.job.id for placed in page.events] == ["1-1", "0-1", "0-2"]
    assert [placed.place for placed in page.events] == [(0, 1, 0), (1, 1, 0), (2, 1, 0)]
    assert (page.reached, page.more) == ((2, 1, 0), False)


async def test_only_what_holds_something_new_is_read_and_takes_up_the_whole_page(topic):
    for partition in topic.partitions:
        await partition.see(30)
    assert len(await topic.ids((0, 30, 30), 30)) == 30
    assert len(await topic.ids((0, 0, 30), 30)) == 30


async def test_from_the_oldest_on_whatever_is_kept_is_told_in_whatever_pages(topic):
    old, _, _ = topic.partitions
    await old.see(at=NOW - 100)
    for partition in topic.partitions:
        await partition.see(2)
    await old.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
    await old.restart()
    found, after, more = [], None, True
    while more:
        page = await topic.feeds.page(ALL, after, 1)
        found += [placed.job.id for placed in page.events]
        after, more = page.reached, page.more
    assert sorted(found) == ["0-2", "0-3", "1-1", "1-2", "2-1", "2-2"]


async def test_a_place_after_which_one_partition_has_forgotten_events_is_expired(topic):
    old, other, _ = topic.partitions
    await old.see(2, at=NOW - 100)
    await old.see()
    await other.see()
    await old.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
    await old.restart()
    with pytest.raises(CursorExpired):
        await topic.ids((1, 0, 0))
    assert sorted(await topic.ids((2, 0, 0))) == ["0-3", "1-1"]


@pytest.mark.parametrize("place", [(1, 0), (0, 0, 0, 0), (0, 0, 1)])
async def test_a_place_of_another_ledger_is_expired(topic, place):
    with pytest.raises(CursorExpired):
        await topic.ids(place)


async def test_a_single_position_is_one_in_each_partition(topic):
    """So it is after the move from a ledger of one partition, whose positions are kept."""
    for partition in topic.partitions:
        await partition.see(3)
    assert sorted(await topic.ids((2,))) == ["0-3", "1-3", "2-3"]


async def test_places_at_the_end_and_before_a_moment_are_those_of_all(topic):
    first, second, _ = topic.partitions
    await first.see(at=NOW)
    await first.see(at=NOW + 10)
    await second.see(at=NOW + 10)
    assert await topic.feeds.newest() == (2, 1, 0)
    place = await topic.feeds.place_before(NOW + 10)
    assert sorted(await topic.ids(place)) == ["0-2", "1-1"]


async def test_who_waits_is_woken_by_whatever_partition_has_something_newer(topic):
    first, second, _ = topic.partitions
    await first.see()
    waiting = [asyncio.create_task(topic.feeds.wait(after)) for after in ((0, 0, 0), (1, 0, 0), (1, 1, 0))]
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, False, False]
    await second.see()
    await waiting[1]
    assert not waiting[2].done()
    await first.see()
    await waiting[2]


async def test_who_waits_before_the_ledger_is_loaded_is_woken_when_it_is():
    feed = Feed(recorded=MemoryLedger(), sources=SOURCES)
    waiting = asyncio.create_task(Feeds([feed]).wait((0,)))
    await asyncio.sleep(0)
    feed.resume(3)
    await waiting


def test_a_source_is_that_of_the_account():
    feeds = Topic(2).feeds
    assert feeds.source("acme") == "https://acme.test"
    assert feeds.source("gone") == "urn:zendesk-job-relay:account:gone"


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(-50, 50), st.booleans()), max_size=12),
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=5),
)
async def test_a_reader_who_comes_back_at_any_id_is_told_of_each_event_once_and_in_its_partitions_order(
    partitions, commits, pages
):
    """It reads while events are recorded, in pages of any size, and now and then hears only a part of one."""
    topic = Topic(partitions)
    habits = cycle(pages)
    found, after = [], (0,) * partitions

    async def read():
        nonlocal after
        limit, heard = next(habits)
        page = await topic.feeds.page(ALL, after, limit)
        assert len(page.events) <= limit
        if 0 < heard < len(page.events):
            found.extend(page.events[:heard])
            after = found[-1].place
            return True
        found.extend(page.events)
        assert page.reached > after or not page.more
        after = page.reached
        return page.more

    for number, events, moment, restarted in commits:
        partition = topic.partitions[number % partitions]
        await partition.see(events, at=NOW + moment)
        if restarted:
            await partition.restart()
        await read()
    while await read():
        pass
    for number, partition in enumerate(topic.partitions):
        assert [placed.job.id for placed in found if placed.job.id.startswith(f"{number}-")] == partition.recorded


async def test_who_asks_the_same_is_told_the_same_until_something_changes(topic):
    """Very many readers who keep up cost little more than one."""
    first, second, _ = topic.partitions
    await first.see()
    page = await topic.feeds.page(ALL, (0, 0, 0), 10)
    assert await topic.feeds.page(EventFilter(), (0, 0, 0), 10) is page
    assert await topic.feeds.page(EventFilter(job="0-2"), (0, 0, 0), 10) is not page
    await second.see()
    assert len(await topic.ids((0, 0, 0), 10)) == 2


async def test_events_of_a_deleted_job_are_not_told_to_anybody_any_more(topic):
    first, *_ = topic.partitions
    await first.see()
    ((job, *_),) = (await topic.feeds.page(ALL, (0, 0, 0), 10)).events
    first.feed.publish([delete(job)])
    assert await topic.ids((0, 0, 0), 10) == []


async def test_what_is_read_while_something_changes_is_not_told_to_others(topic):
    first, *_ = topic.partitions
    await first.see()
    await first.restart()
    read = first.ledger.events

    async def slow(*args):
        page = await read(*args)
        first.ledger.events = read
        await first.see()
        return page

    first.ledger.events = slow
    assert await topic.ids((0, 0, 0), 10) == ["0-1"]
    assert await topic.ids((0, 0, 0), 10) == ["0-1", "0-2"]
