from itertools import count, cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.job import EventType, Job, TrackRequest
from relay.core.observe import Rules, delete, observe, record, track
from relay.core.record import Batch, EventFilter, Retention
from relay.core.sighting import sight
from relay.errors import CursorExpired
from relay.ledger.memory import MemoryLedger
from relay.shard import feed as module
from relay.shard.feed import Feed

ALL = EventFilter()
NOW = 1_700_000_000.0


class Told(MemoryLedger):
    """A ledger that counts how often events were read from it."""

    def __init__(self):
        super().__init__()
        self.read = 0

    async def events(self, wanted, after, limit):
        self.read += 1
        return await super().events(wanted, after, limit)


class Life:
    """A ledger and the feed of what is committed to it."""

    def __init__(self):
        self.ledger = Told()
        self.feed = self.begin()
        self.feed.resume(0)
        self._positions = count(1)
        self._ids = count()

    def begin(self):
        return Feed(recorded=self.ledger, sources={"acme": "https://acme.test/api/v2/job_statuses"})

    async def restart(self):
        self.feed = self.begin()
        self.feed.resume((await self.ledger.positions()).newest)

    async def see(self, *jobs, status="completed", at=NOW, **fields):
        """One commit, in which each of these jobs gets an event."""
        seen = [
            record(observe(job, sight({"id": job.id, "status": status, **fields}), at, Rules()), next(self._positions))
            for job in jobs
        ]
        await self.ledger.commit(Batch(jobs=seen, events=[(job, job.events[-1]) for job in seen]))
        self.feed.publish(seen[::-1])  # in whatever order
        return seen

    def job(self, account="acme"):
        return track(TrackRequest(account=account, id=f"V3-{next(self._ids)}"), NOW)

    async def positions(self, wanted=ALL, after=0, limit=100):
        page = await self.feed.page(wanted, after, limit)
        return [event.position for _, event in page.events]


@pytest.fixture
def life():
    return Life()


async def test_what_is_published_is_read_from_memory_in_the_order_of_recording(life):
    await life.see(life.job(), life.job())
    await life.see(life.job())
    page = await life.feed.page(ALL, 0, 100)
    assert [event.position for _, event in page.events] == [1, 2, 3]
    assert (page.reached, page.more) == (3, False)
    assert life.ledger.read == 0


async def test_a_page_that_is_full_says_that_there_is_more(life):
    await life.see(*(life.job() for _ in range(3)))
    page = await life.feed.page(ALL, 0, 2)
    assert (len(page.events), page.reached, page.more) == (2, 2, True)
    page = await life.feed.page(ALL, page.reached, 1)
    assert (len(page.events), page.reached, page.more) == (1, 3, False)


async def test_what_does_not_fit_the_filter_is_passed_over_and_reached(life):
    await life.see(life.job("acme"), status="working")
    (ended,) = await life.see(life.job("globex"), at=NOW + 1)
    assert await life.positions(EventFilter(accounts={"globex"})) == [2]
    assert await life.positions(EventFilter(types=frozenset({EventType.STARTED}))) == [1]
    assert await life.positions(EventFilter(job=ended.id)) == [2]
    assert await life.positions(EventFilter(since=NOW + 1)) == [2]
    page = await life.feed.page(EventFilter(job="V3-nope"), 0, 100)
    assert (page.events, page.reached, page.more) == ([], 2, False)


async def test_what_was_recorded_before_this_process_is_read_from_the_ledger(life):
    await life.see(life.job(), life.job())
    await life.restart()
    await life.see(life.job())
    assert await life.positions() == [1, 2, 3]
    assert life.ledger.read == 1
    assert await life.positions(after=2) == [3]
    assert life.ledger.read == 1


async def test_before_the_ledger_is_loaded_it_is_asked(life):
    await life.see(life.job())
    life.feed = life.begin()
    assert await life.feed.reached() == 1
    assert await life.positions() == [1]


@pytest.mark.parametrize(("bound", "value"), [("RECENT_MAX", 10), ("RECENT_BYTES_MAX", 400)])
async def test_memory_is_bounded_and_the_ledger_has_the_rest(life, monkeypatch, bound, value):
    monkeypatch.setattr(module, bound, value)
    for _ in range(30):
        await life.see(life.job())
    assert len(life.feed._recent) <= 10
    assert await life.positions() == list(range(1, 31))
    assert life.ledger.read == 1
    assert await life.positions(after=28) == [29, 30]
    assert life.ledger.read == 1
    assert life.feed._size == sum(recent.size for recent in life.feed._recent)


async def test_events_of_a_deleted_job_are_not_told_any_more(life):
    (job, _) = await life.see(life.job(), life.job(), status="working")
    gone = delete(job)
    await life.ledger.commit(Batch(jobs=[gone]))
    life.feed.publish([gone])
    assert await life.positions() == [2]


async def test_a_job_that_is_deleted_in_the_commit_of_its_event_is_not_told_of(life):
    job = record(observe(life.job(), sight({"id": "V3-0", "status": "working"}), NOW, Rules()), 1)
    life.feed.publish([delete(job)])
    assert await life.feed.reached() == 1
    assert await life.positions() == []


async def test_who_keeps_up_hears_of_progress_that_the_ledger_keeps_no_more(life):
    (started,) = await life.see(life.job(), status="working", progress=1)
    (progressed,) = await life.see(started, status="working", progress=2, at=NOW + 2)
    await life.see(progressed, status="working", progress=3, at=NOW + 4)
    assert await life.positions() == [1, 2, 3]
    await life.restart()
    assert await life.positions() == [1, 3]


async def test_a_row_that_changes_without_an_event_is_nothing_new(life):
    (job,) = await life.see(life.job(), status="working")
    life.feed.publish([replace(job, metadata=b'{"a":1}'), Job(account="acme", id="V3-fresh", tracked_at=NOW)])
    assert await life.positions() == [1]


async def test_from_the_oldest_on_whatever_is_kept_is_told(life):
    await life.see(life.job(), at=NOW - 100)
    await life.see(life.job())
    await life.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
    await life.restart()
    page = await life.feed.page(ALL, None, 100)
    assert [event.position for _, event in page.events] == [2]


async def test_a_place_after_which_events_were_forgotten_is_expired(life):
    await life.see(life.job(), at=NOW - 100)
    await life.see(life.job(), at=NOW - 100)
    await life.see(life.job())
    await life.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
    await life.restart()
    with pytest.raises(CursorExpired):
        await life.positions(after=1)
    assert await life.positions(after=2) == [3]


async def test_a_place_of_another_ledger_is_expired(life):
    await life.see(life.job())
    with pytest.raises(CursorExpired):
        await life.positions(after=2)


async def test_the_position_before_a_moment_is_the_ledgers(life):
    await life.see(life.job(), at=NOW)
    await life.see(life.job(), at=NOW + 10)
    assert await life.positions(after=await life.feed.position_before(NOW + 10)) == [2]


async def test_readers_are_told_when_something_new_is_recorded_and_of_nothing_else(life):
    grown = []
    life.feed.join(1, lambda: grown.append(life.feed.newest))
    life.feed.publish([life.job()])
    (job,) = await life.see(life.job(), status="working")
    life.feed.publish([replace(job, metadata=b'{"a":1}')])
    assert grown == [1]


async def test_nothing_is_known_before_it_is_resumed_and_readers_are_told_that_it_is(life):
    grown = []
    await life.see(life.job())
    life.feed = life.begin()
    life.feed.join(1, lambda: grown.append(life.feed.newest))
    assert life.feed.newest is None
    life.feed.resume(1)
    assert grown == [1]


async def test_what_is_recorded_while_somebody_looks_up_how_far_it_is_is_not_missed(life):
    """As by one who follows the ledger, and cannot stop it meanwhile."""
    await life.see(life.job())
    life.feed = life.begin()
    newest = (await life.ledger.positions()).newest
    await life.see(life.job())
    await life.see(life.job())
    life.feed.resume(newest)
    await life.see(life.job())
    assert await life.positions(after=1) == [2, 3, 4]


async def test_where_the_ledger_has_lost_events_others_get_their_positions_and_are_told(life):
    """As where brokers have lost what they had acknowledged."""
    await life.see(life.job(), life.job(), life.job())
    fresh = Life()
    fresh.feed, life.feed._recorded = life.feed, fresh.ledger
    fresh.feed.resume(0)
    await fresh.see(fresh.job())
    assert await fresh.positions() == [1]


async def test_where_somebody_else_has_recorded_events_meanwhile_none_is_left_out(life):
    feed, blind = life.feed, life.begin()
    await life.see(life.job())
    life.feed = blind
    await life.see(life.job())
    life.feed = feed
    feed.resume(2)
    await life.see(life.job())
    assert await life.positions() == [1, 2, 3]


async def test_what_is_published_twice_is_told_once(life):
    seen = await life.see(life.job(), life.job())
    life.feed.publish(seen)
    assert await life.positions() == [1, 2]


async def test_several_feeds_share_the_room_in_memory(life, monkeypatch):
    monkeypatch.setattr(module, "RECENT_MAX", 12)
    life.feed.join(4, lambda: None)
    for _ in range(10):
        await life.see(life.job())
    assert len(life.feed._recent) == 3
    assert await life.positions() == list(range(1, 11))


async def test_events_up_to_the_oldest_position_are_forgotten(life):
    assert await life.feed.oldest() == 0
    await life.see(life.job(), at=NOW - 100)
    await life.see(life.job())
    await life.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
    assert await life.feed.oldest() == 1


def test_a_source_is_the_configured_one_also_when_it_changes():
    sources = {"acme": "https://acme.test"}
    feed = Feed(recorded=MemoryLedger(), sources=sources)
    assert feed.source("acme") == "https://acme.test"
    sources["acme"] = "https://elsewhere.test"
    assert feed.source("acme") == "https://elsewhere.test"
    assert feed.source("gone") == "urn:zendesk-job-relay:account:gone"


@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=12),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
)
async def test_page_by_page_everything_is_read_once_and_in_order_wherever_it_is_kept(commits, limits):
    life = Life()
    for size, restarted in commits:
        await life.see(*(life.job() for _ in range(size)))
        if restarted:
            await life.restart()
    found, after, more = [], 0, True
    limit = cycle(limits)
    while more:
        page = await life.feed.page(ALL, after, next(limit))
        found += [event.position for _, event in page.events]
        assert page.reached > after or not page.more
        after, more = page.reached, page.more
    assert found == list(range(1, sum(size for size, _ in commits) + 1))
