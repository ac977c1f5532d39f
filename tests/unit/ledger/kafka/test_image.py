"""An image is what its partition was at its position, however the records came, or it is thrown away."""

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import DELETED, Event, EventType, Job
from relay.core.record import AlreadyKnown, Backlog, Batch, EventFilter, Positions, Retention
from relay.errors import LedgerError, LedgerUnusable
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.reading import from_records
from relay.ledger.kafka.records import changes_of
from relay.ledger.sqlite import SqliteLedger

JOB = Job(account="acme", id="1", tracked_at=100.0, state="working")
DELIVERY = Delivery(account="acme", job_id="1", tracked_at=100.0, sink="s", sequence=1, since=1.0, due_at=1.0)
PAGE_BYTES = 4096  # SQLite's default; the schema stands on the first
FORGET_ALL = Retention(finished_before=1e9, dead_before=1e9)


def image_at(path, *, source="topic/0", now=1000.0):
    return Image(path, source=source, tombstones_kept_seconds=100.0, now=lambda: now)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "image.db"


@pytest.fixture
async def image(path):
    made = image_at(path)
    await made.open()
    yield made
    await made.close()


async def put(image, batch, offset=1):
    """As the ledger does it; the records."""
    records = image.records_of(await image.changes_of(batch))
    await image.apply(from_records(records), offset, at_end=True)
    return records


def event(job, kind, position, at=100.0):
    new = Event(
        type=kind,
        sequence=job.sequence + 1,
        detected_at=at,
        previous_status=None,
        metadata=b"{}",
        position=position,
    )
    kept = tuple(one for one in job.events if one.type is not kind)
    return replace(job, sequence=new.sequence, events=(*kept, new))


class TestPosition:
    async def test_a_new_image_begins_at_the_start_of_the_log(self, image):
        assert image.offset is None

    async def test_it_stands_with_the_rows(self, image, path):
        await put(image, Batch(jobs=[JOB], marks={"m": b"1"}), offset=7)
        await image.close()
        again = image_at(path)
        await again.open()
        assert again.offset == 7
        assert await again.rows.find([JOB.key]) == {JOB.key: JOB}
        assert await again.marks() == {"m": b"1"}
        await again.close()

    @pytest.mark.parametrize("later", [{"source": "another/0"}, {"now": 1050.1}])
    async def test_of_another_topic_or_too_old_it_is_thrown_away(self, image, path, later):
        """Too old is half of the time that tombstones are kept: after all of it, rows that are gone might come back."""
        await put(image, Batch(jobs=[JOB]))
        await image.close()
        again = image_at(path, **later)
        await again.open()
        assert again.offset is None
        assert await again.rows.find([JOB.key]) == {}
        await again.close()

    async def test_just_not_too_old_it_is_kept(self, image, path):
        await put(image, Batch(jobs=[JOB]))
        await image.close()
        again = image_at(path, now=1050.0)
        await again.open()
        assert again.offset == 1
        await again.close()

    async def test_its_age_counts_from_when_it_was_at_the_end(self, image, path):
        """What was read since may have tombstones further on, which are kept from when the end was seen, at least."""
        await put(image, Batch(jobs=[JOB]))
        await image.close()
        later = image_at(path, now=1049.0)
        await later.open()
        await later.apply(from_records([]), 2, at_end=False)
        await later.close()
        again = image_at(path, now=1051.0)
        await again.open()
        assert again.offset is None
        await again.close()

    async def test_before_the_end_was_ever_reached_its_age_counts_from_its_beginning(self, path):
        began = image_at(path)
        await began.open()
        began._now = lambda: 1049.0
        await began.apply(from_records([]), 2, at_end=False)
        await began.close()
        for now, offset in ((1050.0, 2), (1051.0, None)):
            again = image_at(path, now=now)
            await again.open()
            assert again.offset == offset
            await again.close()

    async def test_one_that_is_damaged_while_it_is_used_begins_anew(self, image):
        """Its owner is told of an error, and what is missing is read again."""
        await put(image, Batch(jobs=[JOB]))
        await image.rows.run(_damage)
        with pytest.raises(LedgerError, match="begins anew") as told:
            await put(image, Batch(jobs=[replace(JOB, id=f"{n}") for n in range(500)]))
        assert not isinstance(told.value, LedgerUnusable)
        assert image.offset is None
        await put(image, Batch(jobs=[JOB]))

    async def test_a_damaged_one_is_thrown_away(self, path):
        path.write_bytes(b"SQLite format 3\x00 and then something else")
        image = image_at(path)
        await image.open()
        assert image.offset is None
        await image.close()

    async def test_one_that_another_process_has_is_left_alone(self, image, path):
        await put(image, Batch(jobs=[JOB]))
        with pytest.raises(LedgerUnusable, match="another relay has it open"):
            await image_at(path, source="another/0").open()
        assert await image.rows.find([JOB.key]) == {JOB.key: JOB}

    async def test_one_that_is_followed_for_long_without_seeing_the_end_is_outdated(self, image):
        await put(image, Batch(jobs=[JOB]))
        image._now = lambda: 1050.0
        assert not image.outdated
        image._now = lambda: 1050.1
        assert image.outdated

    async def test_it_can_start_over(self, image):
        await put(image, Batch(jobs=[JOB]))
        await image.start_over()
        assert image.offset is None
        assert await image.rows.find([JOB.key]) == {}


class TestCheck:
    async def test_jobs_that_are_taken_for_unknown_are_told(self, image):
        await put(image, Batch(jobs=[JOB]))
        with pytest.raises(AlreadyKnown) as told:
            await image.changes_of(Batch(unknown=[JOB.key]))
        assert told.value.jobs == {JOB.key: JOB}

    async def test_what_belongs_to_no_job_is_refused(self, image):
        stranger = event(JOB, EventType.STARTED, 1)
        for batch in (Batch(deliveries=[DELIVERY]), Batch(events=[(stranger, stranger.events[0])])):
            with pytest.raises(LedgerError, match="does not hold"):
                await image.changes_of(batch)
        await image.changes_of(Batch(jobs=[JOB], deliveries=[DELIVERY]))


class TestOrder:
    async def test_a_delivery_may_come_before_its_job(self, image):
        """The job was written again later, and compaction has removed where it stood first."""
        records = image.records_of(await image.changes_of(Batch(jobs=[JOB], deliveries=[DELIVERY])))
        for offset, record in enumerate(reversed(records)):
            await image.apply(from_records([record]), offset + 1, at_end=True)
        await image.settle()
        assert await image.rows.due("s", 9.0, 9) == [(DELIVERY, JOB)]

    async def test_a_delivery_whose_job_never_comes_is_dropped_at_the_end(self, image):
        """Both are gone, but compaction has come to the job first."""
        records = image.records_of(await image.changes_of(Batch(jobs=[JOB], deliveries=[DELIVERY])))
        await image.apply(from_records(records[1:]), 1, at_end=True)
        await image.settle()
        assert await image.rows.backlog() == {}

    async def test_events_may_come_out_of_order_and_times_still_tell_positions(self, image):
        """Where clocks went back: an event of a later time must not lie before the position that is told for it."""
        early = event(JOB, EventType.STARTED, 1, at=30.0)
        late = event(replace(JOB, id="2"), EventType.STARTED, 2, at=10.0)
        for job in (late, early):
            await put(image, Batch(jobs=[job]))
        await image.settle()
        assert await image.rows.position_before(20.0) == 0
        page = await image.rows.events(EventFilter(), 0, 9)
        assert [one.position for _, one in page.events] == [1, 2]

    async def test_reading_a_part_again_changes_nothing(self, image):
        seen = event(event(JOB, EventType.STARTED, 1), EventType.PROGRESSED, 2, at=150.0)
        records = await put(image, Batch(jobs=[seen], deliveries=[DELIVERY], marks={"m": b"1"}))
        before = await everything(image.rows)
        await image.apply(from_records(records), 1, at_end=True)
        assert await everything(image.rows) == before


class Ear:
    def __init__(self):
        self.heard = []

    def begun(self):
        self.heard.append("begun")

    def current(self, newest):
        self.heard.append(newest)

    def changed(self, jobs):
        self.heard.append(list(jobs))


class TestCurrent:
    """An image is current once it was at its end; only then its rows are told."""

    @pytest.fixture
    async def ear(self):
        return Ear()

    @pytest.fixture
    async def image(self, path, ear):
        made = Image(path, source="topic/0", tombstones_kept_seconds=100.0, now=lambda: 1000.0, listener=ear)
        await made.open()
        yield made
        await made.close()

    async def test_its_listener_hears_of_it_and_of_rows_from_then_on(self, image, ear):
        await put(image, Batch(jobs=[event(JOB, EventType.STARTED, 7)]))
        assert (image.is_current, ear.heard) == (False, [])
        await image.settle()
        assert (image.is_current, ear.heard) == (True, [7])
        await put(image, Batch(jobs=[JOB]), offset=2)
        await put(image, Batch(marks={"m": b"1"}), offset=3)
        await image.settle()
        assert ear.heard == [7, [JOB]]

    async def test_one_that_begins_anew_is_not(self, image, ear):
        await put(image, Batch(jobs=[JOB]))
        await image.settle()
        await image.start_over()
        assert (image.is_current, ear.heard) == (False, [0, "begun"])
        await put(image, Batch(jobs=[JOB]))
        await image.settle()
        assert (image.is_current, ear.heard) == (True, [0, "begun", 0])

    async def test_nor_is_one_that_was_just_opened(self, image):
        await put(image, Batch(jobs=[JOB]))
        await image.settle()
        await image.close()
        await image.open()
        assert not image.is_current


class TestEndWanted:
    """Whether an image that is followed wants to be told where the log ends."""

    async def test_until_what_may_be_out_of_order_was_settled(self, image, path):
        assert image.end_wanted
        await put(image, Batch(jobs=[JOB]))
        await image.settle()
        assert not image.end_wanted
        stray = from_records(image.records_of(changes_of(Batch(deliveries=[replace(DELIVERY, job_id="2")]))))
        await image.apply(stray, 2, at_end=False)
        assert image.end_wanted
        await image.close()
        again = image_at(path)
        await again.open()
        assert again.end_wanted
        await again.settle()
        assert not again.end_wanted
        assert await again.rows.backlog() == {}
        await again.close()

    async def test_an_event_before_others_may_be_out_of_order_unless_it_was_there(self, image):
        first, second = event(JOB, EventType.STARTED, 1), event(replace(JOB, id="2"), EventType.STARTED, 3)
        await put(image, Batch(jobs=[first, second]))
        await image.settle()
        await put(image, Batch(jobs=[first, event(first, EventType.COMPLETED, 4)]), offset=2)
        assert not image.end_wanted
        await put(image, Batch(jobs=[event(replace(JOB, id="3"), EventType.STARTED, 2)]), offset=3)
        assert image.end_wanted

    async def test_and_when_it_was_told_long_ago(self, image):
        """Or an image of a partition that nobody writes to would be thrown away at the next start."""
        await put(image, Batch(jobs=[JOB]))
        await image.settle()
        image._now = lambda: 1001.0
        assert image.end_wanted
        await image.apply(from_records([]), 1, at_end=True)
        assert not image.end_wanted


class TestForgetting:
    async def test_what_may_go_goes_with_all_that_belongs_to_it(self, image):
        ended = event(replace(JOB, state="completed", detected_at=10.0), EventType.COMPLETED, 4)
        settled = replace(DELIVERY, state=DeliveryState.DEAD, settled_at=10.0)
        await put(image, Batch(jobs=[ended, replace(JOB, id="2")], deliveries=[settled]))
        changes = await image.forgetting(FORGET_ALL, 10)
        assert changes.positions == Positions(newest=4, forgotten=4)
        await image.apply(from_records(image.records_of(changes)), 2, at_end=True)
        assert list(await image.rows.find([JOB.key, replace(JOB, id="2").key])) == [replace(JOB, id="2").key]
        assert (await image.rows.backlog()).get("s", Backlog()) == Backlog()
        assert await image.rows.positions() == Positions(newest=4, forgotten=4)
        assert (await image.forgetting(FORGET_ALL, 10)).empty

    async def test_positions_are_known_to_an_image_that_never_saw_the_job(self, image, tmp_path):
        deleted = event(replace(JOB, state=DELETED), EventType.STARTED, 6)
        ended = event(replace(JOB, id="2", state="completed", detected_at=10.0), EventType.COMPLETED, 4)
        await put(image, Batch(jobs=[deleted, ended]))
        records = image.records_of(await image.forgetting(FORGET_ALL, 10))
        await image.apply(from_records(records), 2, at_end=True)
        other = image_at(tmp_path / "other.db")
        await other.open()
        await other.apply(from_records(records), 2, at_end=True)
        assert await other.rows.positions() == await image.rows.positions() == Positions(newest=6, forgotten=4)
        await other.close()


class TestUnknownFields:
    async def test_they_survive_a_restart_and_a_rewrite(self, image, path):
        [record] = await put(image, Batch(jobs=[JOB]))
        await image.apply(from_records([record._replace(value=record.value[:-1] + b',"later":[1]}')]), 2, at_end=True)
        await image.close()
        again = image_at(path)
        await again.open()
        assert await again.marks() == {}
        changed = replace(JOB, state="completed")
        [rewritten] = await put(again, Batch(jobs=[changed]), offset=3)
        assert rewritten.value.endswith(b',"later":[1]}')
        [once_more] = await put(again, Batch(jobs=[changed]), offset=4)
        assert once_more == rewritten
        await again.close()

    async def test_they_are_forgotten_when_the_row_holds_none_any_more(self, image):
        [record] = await put(image, Batch(jobs=[JOB]))
        await image.apply(from_records([record._replace(value=record.value[:-1] + b',"later":[1]}')]), 2, at_end=True)
        await image.apply(from_records([record]), 3, at_end=True)
        assert await put(image, Batch(jobs=[JOB])) == [record]
        assert not any(name.startswith("image/unknown/") for name in await image.rows.marks())


def _damage(connection):
    """As a bad disk does it: what is read back is not what was written."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    path = Path(connection.execute("PRAGMA database_list").fetchall()[0][2])
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(b"\xff" * (path.stat().st_size - PAGE_BYTES))
    connection.execute("PRAGMA shrink_memory")


async def everything(ledger):
    jobs = await ledger.page(accounts=None, state=None, after=None, limit=1000)
    events = await ledger.events(EventFilter(), 0, 1000)
    marks = {name: value for name, value in (await ledger.marks()).items() if not name.startswith("image/")}
    backlog = {sink: owed for sink, owed in (await ledger.backlog()).items() if owed != Backlog()}
    return jobs, [await ledger.deliveries_of(one) for one in jobs], events, await ledger.positions(), backlog, marks


names, times = st.sampled_from(["1", "2", "3"]), st.sampled_from([1.0, 2.0])
changes = st.tuples(names, times, st.sampled_from([EventType.STARTED, EventType.PROGRESSED, EventType.COMPLETED, None]))
steps = st.lists(st.lists(changes, min_size=1, max_size=4) | st.just(FORGET_ALL), max_size=8)


@given(steps=steps, cuts=st.lists(st.integers(1, 5), min_size=1, max_size=5))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_image_of_the_compacted_log_answers_as_a_ledger_does(steps, cuts, tmp_path_factory):
    """Whatever was recorded and forgotten: in pieces of any size, from a log of which only the newest rows are left."""
    asyncio.run(_compare(steps, cuts, tmp_path_factory.mktemp("image")))


async def _compare(steps, cuts, folder):
    sqlite, image, rebuilt = SqliteLedger(folder / "ledger.db"), image_at(folder / "a.db"), image_at(folder / "b.db")
    for each in (sqlite, image, rebuilt):
        await each.open()
    log, jobs, position = [], {}, 0
    for step in steps:
        if isinstance(step, Retention):
            changes = await image.forgetting(step, 1000)
            assert await sqlite.forget(step, 1000) == len(changes.gone_jobs)
            jobs = {key: one for key, one in jobs.items() if key not in changes.gone_jobs}
        else:
            batch, position = _batch(jobs, step, position)
            await sqlite.commit(batch)
            changes = await image.changes_of(batch)
        log.extend(image.records_of(changes))
        await image.apply(from_records(image.records_of(changes)), len(log), at_end=True)
        assert await everything(image.rows) == await everything(sqlite)
    newest = {record.key: number for number, record in enumerate(log)}
    left = [log[number] for number in sorted(newest.values())]
    sizes = itertools.cycle(cuts)
    while left:
        size = next(sizes)
        await rebuilt.apply(from_records(left[:size]), 1, at_end=True)
        left = left[size:]
    await rebuilt.settle()
    assert await everything(rebuilt.rows) == await everything(sqlite)
    for each in (sqlite, image, rebuilt):
        await each.close()


def _batch(jobs, step, position):
    """Each change is a job's new event with a delivery, or its deletion."""
    events, deliveries, changed = [], {}, {}
    for name, tracked_at, kind in step:
        key = (tracked_at, "acme", name)
        known = jobs.get(key, Job(account="acme", id=name, tracked_at=tracked_at, state="working"))
        if kind is None:
            known = replace(known, state=DELETED)
        elif not known.terminal:
            position += 1
            done = kind is EventType.COMPLETED
            known = replace(event(known, kind, position), state="completed" if done else "working", detected_at=1.0)
            events.append((known, known.events[-1]))
            state = DeliveryState.DELIVERED if done else DeliveryState.PENDING
            deliveries[key] = replace(
                DELIVERY, job_id=name, tracked_at=tracked_at, state=state, settled_at=2.0 if done else None
            )
        jobs[key] = changed[key] = known
    return Batch(jobs=list(changed.values()), events=events, deliveries=list(deliveries.values())), position
