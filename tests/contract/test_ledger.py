"""What every ledger must do: the reference in memory, SQLite, and a partition of a Kafka topic pass the same tests."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.callbacks import CALLBACK, sink_of
from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import DELETED, Cursor, EventType, Items, Job, JobKey, Outcome
from relay.core.job import Event as JobEvent
from relay.core.record import (
    AlreadyKnown,
    Backlog,
    Batch,
    DeliveryFilter,
    EventFilter,
    EventPage,
    Positions,
    Retention,
)
from relay.errors import LedgerError, Reason
from relay.ledger import Ledger
from relay.ledger.memory import MemoryLedger
from relay.ledger.sqlite import SqliteLedger

PENDING, DELIVERED, DEAD = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD
STARTED, PROGRESSED, COMPLETED = EventType.STARTED, EventType.PROGRESSED, EventType.COMPLETED
ORIGIN = "callback:https://shop.example:443"
FORGET_ALL = Retention(finished_before=1e9, dead_before=1e9)
CALLBACKS = [sink_of(f"https://shop.example/{path}") for path in ("hooks/1", "hooks/2")]


@pytest.fixture(params=["memory", "sqlite", "kafka"])
def closed_ledger(request, tmp_path) -> Ledger:
    match request.param:
        case "memory":
            return MemoryLedger()
        case "sqlite":
            return SqliteLedger(tmp_path / "relay.db")
        case _:
            return request.getfixturevalue("ledger_partitions").ledger(tmp_path)


@pytest.fixture
async def ledger(closed_ledger):
    await closed_ledger.open()
    yield closed_ledger
    await closed_ledger.close()


def job(name: str = "a", *, account: str = "acme", tracked_at: float = 100.0, **fields) -> Job:
    return Job(account=account, id=name, tracked_at=tracked_at, **fields)


def ended(name: str = "a", *, at: float, state: str = "completed", **fields) -> Job:
    return job(name, state=state, detected_at=at, **fields)


def owed(to: Job, sink: str = "orders", **fields) -> Delivery:
    defaults = {"sequence": 1, "since": 100.0, "due_at": 100.0}
    return Delivery(account=to.account, job_id=to.id, tracked_at=to.tracked_at, sink=sink, **defaults | fields)


def settled(delivery: Delivery) -> Delivery:
    return replace(delivery, state=DELIVERED, settled_at=delivery.due_at)


async def record(ledger: Ledger, *rows: Job | Delivery) -> None:
    jobs = [row for row in rows if isinstance(row, Job)]
    await ledger.commit(Batch(jobs=jobs, deliveries=[row for row in rows if isinstance(row, Delivery)]))


async def all_live(ledger: Ledger, limit: int = 1000) -> dict[Job, list[Delivery]]:
    found: dict[Job, list[Delivery]] = {}
    after = None
    while page := await ledger.live(after, limit):
        assert len(page) <= limit
        assert not any(live in found for live, _ in page)
        found.update((live, sorted(deliveries, key=lambda delivery: delivery.sink)) for live, deliveries in page)
        after = page[-1][0]
    return found


def with_event(to: Job, kind: EventType, position: int, *, at: float = 100.0, **fields) -> Job:
    """The job with one event more, which takes the place of an older one of its type."""
    event = JobEvent(
        type=kind,
        sequence=to.sequence + 1,
        detected_at=at,
        previous_status=None,
        metadata=b"{}",
        position=position,
    )
    kept = tuple(other for other in to.events if other.type is not kind)
    return replace(to, sequence=event.sequence, events=(*kept, event), **fields)


async def record_events(ledger: Ledger, *jobs: Job) -> None:
    """Each job's newest event is new."""
    await ledger.commit(Batch(jobs=jobs, events=[(one, one.events[-1]) for one in jobs]))


async def all_events(ledger: Ledger, limit: int = 100, after: int = 0, **wanted) -> list[tuple[Job, JobEvent]]:
    found: list[tuple[Job, JobEvent]] = []
    while True:
        page = await ledger.events(EventFilter(**wanted), after, limit)
        assert len(page.events) <= limit
        assert all(after < event.position <= page.reached for _, event in page.events)
        assert page.reached >= after
        found.extend(page.events)
        after = page.reached
        if not page.more:
            return found


async def positions_of(ledger: Ledger, **wanted) -> list[int]:
    return [event.position for _, event in await all_events(ledger, **wanted)]


async def all_deliveries(ledger: Ledger, limit: int, wanted: DeliveryFilter) -> list[Delivery]:
    found: list[Delivery] = []
    after = None
    while page := await ledger.deliveries(wanted, after, limit):
        assert len(page) <= limit
        found.extend(delivery for delivery, _ in page)
        after = found[-1].key
    return found


async def everything(ledger: Ledger) -> object:
    """All that the ledger can be asked, for comparison."""
    jobs = await ledger.page(accounts=None, state=None, after=None, limit=1000)
    return (
        jobs,
        [await ledger.deliveries_of(one) for one in jobs],
        await all_live(ledger),
        await all_events(ledger),
        await ledger.positions(),
        await ledger.backlog(),
        await ledger.marks(),
    )


FULL_JOB = Job(
    account="büro-東京",
    id="V3-0123456789abcdef",
    tracked_at=1_700_000_000.1234567,
    state="completed",
    sequence=3,
    metadata='{"note":"naïve \\u0000 \\u001e \\\\ ☃ 𝄞"}'.encode(),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    job_status='{"id":"x","message":"Ünïcödé\\n","results":[{"index":0,"error":"☃"}]}'.encode(),
    results_truncated=True,
    outcome=Outcome.PARTIALLY_FAILED,
    items=Items(total=2, succeeded=1, failed=1),
    seen_at=1_700_000_001.1,
    queued_at=1_700_000_001.2,
    detected_at=1_700_000_009.000_000_1,
    completed_at="2023-11-14T22:13:20Z",
    events=(
        JobEvent(
            type=EventType.STARTED,
            sequence=1,
            detected_at=1_700_000_001.1,
            previous_status="pending",
            metadata=b"{}",
            job_status=b'{"id":"x"}',
        ),
        JobEvent(
            type=EventType.COMPLETED,
            sequence=3,
            detected_at=1_700_000_009.0,
            previous_status="working",
            metadata=b'{"a":1}',
            reason=Reason.JOB_FAILED,
        ),
    ),
)


class TestCommit:
    async def test_a_value_comes_back_as_it_was_recorded(self, ledger):
        delivery = owed(FULL_JOB, "ø", state=DEAD, attempts=7, settled_at=0.1 + 0.2, error="„kaputt“\x1e\x00")
        await record(ledger, FULL_JOB, delivery)
        assert await ledger.find([FULL_JOB.key]) == {FULL_JOB.key: FULL_JOB}
        assert await ledger.deliveries_of(FULL_JOB) == [delivery]

    async def test_an_empty_batch_changes_nothing(self, ledger):
        await record(ledger, job(), owed(job()))
        before = await everything(ledger)
        await ledger.commit(Batch())
        assert await everything(ledger) == before

    async def test_a_row_replaces_the_one_with_the_same_key(self, ledger):
        await record(ledger, job(), owed(job()))
        seen, tried = job(state="working", sequence=1), owed(job(), attempts=1, due_at=150.0)
        await record(ledger, seen, tried)
        assert await all_live(ledger) == {seen: [tried]}
        assert await ledger.page(accounts=None, state=None, after=None, limit=10) == [seen]

    async def test_of_equal_keys_in_one_batch_the_last_row_counts(self, ledger):
        states = ["queued", "working", "queued", "completed"]
        await record(ledger, *(job(state=state) for state in states), owed(job(), attempts=1), owed(job(), attempts=2))
        assert (await ledger.find([job().key]))[job().key].state == "completed"
        assert [delivery.attempts for delivery in await ledger.deliveries_of(job())] == [2]

    async def test_replacing_a_job_leaves_its_deliveries(self, ledger):
        await record(ledger, job(), owed(job()))
        await record(ledger, job(state="completed", detected_at=120.0))
        assert await ledger.deliveries_of(job()) == [owed(job())]

    @pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1000, 1203, 2500])
    async def test_batches_of_any_size_are_recorded_whole(self, ledger, count):
        jobs = [job(f"j{n}", account=f"acme-{n % 3}", tracked_at=100.0 + n) for n in range(count)]
        await record(ledger, *jobs, *(owed(one) for one in jobs))
        assert await all_live(ledger, limit=5000) == {one: [owed(one)] for one in jobs}
        assert len(await ledger.find([one.key for one in jobs])) == count
        await record(ledger, *(replace(one, state=DELETED) for one in jobs), *(settled(owed(one)) for one in jobs))
        assert await ledger.forget(FORGET_ALL, 9999) == count
        assert await ledger.find([one.key for one in jobs]) == {}

    async def test_a_big_value_is_recorded_whole(self, ledger):
        status = b'{"results":"' + b"x" * 2_000_000 + b'"}'
        big = ended(at=120.0, job_status=status)
        await record(ledger, big, owed(big))
        assert await ledger.due("orders", 100.0, 1) == [(owed(big), big)]

    async def test_a_batch_that_takes_known_jobs_for_unknown_is_told_so_and_has_no_effect(self, ledger):
        """Whether they live, have ended or were deleted; told is the newest incarnation."""
        live, deleted = job("live"), job("deleted", state=DELETED)
        again = replace(ended("again", at=150.0), tracked_at=140.0)
        await record(ledger, live, deleted, job("again", state="lost", detected_at=120.0), again)
        before = await everything(ledger)
        keys = [JobKey("acme", name) for name in ("new", "live", "deleted", "again")]
        with pytest.raises(AlreadyKnown) as told:
            await ledger.commit(Batch(jobs=[job("new")], marks={"m": b"1"}, unknown=keys))
        assert told.value.jobs == {live.key: live, deleted.key: deleted, again.key: again}
        assert await everything(ledger) == before

    async def test_a_batch_whose_unknown_jobs_are_unknown_is_recorded(self, ledger):
        await record(ledger, job("a"))
        await ledger.commit(Batch(jobs=[job("b")], unknown=[job("b").key, JobKey("globex", "a")]))
        assert set(await all_live(ledger)) == {job("a"), job("b")}

    async def test_a_batch_that_is_refused_has_no_effect(self, ledger):
        """A delivery of a job that is unknown is refused, with everything that came with it."""
        await record(ledger, job(), owed(job()))
        before = await everything(ledger)
        refused = Batch(
            jobs=[job("b"), job(state="working")],
            events=[(job("b"), with_event(job("b"), STARTED, 7).events[0])],
            deliveries=[owed(job("b")), owed(job("stranger"))],
            marks={"m": b"1"},
        )
        with pytest.raises(LedgerError, match="does not hold"):
            await ledger.commit(refused)
        assert await everything(ledger) == before
        stranger = with_event(job("stranger"), STARTED, 7)
        for lone in (Batch(deliveries=[owed(stranger)]), Batch(events=[(stranger, stranger.events[0])])):
            with pytest.raises(LedgerError, match="does not hold"):
                await ledger.commit(lone)
            assert await everything(ledger) == before
        await record(ledger, job("b"))

    async def test_commits_take_effect_in_the_order_of_the_calls(self, ledger):
        await asyncio.gather(*(record(ledger, job(sequence=n)) for n in range(50)))
        assert (await ledger.find([job().key]))[job().key].sequence == 49

    async def test_a_caller_who_gives_up_leaves_the_ledger_in_order(self, ledger):
        """Each cancelled commit is whole or not there at all, and the next one works."""
        for n in range(20):
            batch = [job(f"{n}-{k}") for k in range(150)]
            commit = asyncio.create_task(record(ledger, *batch))
            for _ in range(n % 4):
                await asyncio.sleep(0)
            commit.cancel()
            await asyncio.gather(commit, return_exceptions=True)
            assert len(await ledger.find([one.key for one in batch])) in {0, 150}
        await record(ledger, job("after"))
        assert job("after").key in await ledger.find([job("after").key])


class TestIncarnations:
    async def test_the_newest_incarnation_is_found(self, ledger):
        old, new = job(tracked_at=100.0, state="lost", detected_at=400.0), job(tracked_at=500.0)
        await record(ledger, new, old)
        assert await ledger.find([old.key]) == {old.key: new}
        assert await ledger.page(accounts=None, state=None, after=None, limit=10) == [new]
        assert await ledger.page(accounts=None, state="lost", after=None, limit=10) == []

    async def test_a_former_life_keeps_its_deliveries(self, ledger):
        old, new = job(tracked_at=100.0, state="lost", detected_at=400.0), job(tracked_at=500.0)
        await record(ledger, old, new, owed(old, due_at=1.0), owed(new, due_at=2.0))
        assert await ledger.due("orders", 9.0, 9) == [(owed(old, due_at=1.0), old), (owed(new, due_at=2.0), new)]
        await record(ledger, settled(owed(old, due_at=1.0)))
        assert await ledger.forget(FORGET_ALL, 9) == 1
        assert await ledger.due("orders", 9.0, 9) == [(owed(new, due_at=2.0), new)]
        assert await ledger.find([new.key]) == {new.key: new}


class TestFind:
    async def test_unknown_keys_are_missing(self, ledger):
        await record(ledger, job())
        assert await ledger.find([JobKey("acme", "b"), JobKey("other", "a")]) == {}
        assert await ledger.find([]) == {}

    async def test_deleted_jobs_are_found(self, ledger):
        await record(ledger, job(state=DELETED))
        assert await ledger.find([job().key]) == {job().key: job(state=DELETED)}

    async def test_keys_are_told_apart_whatever_they_look_like(self, ledger):
        """Also keys of one hash: crc32 is linear, so account and id of equal joined text collide at the latest."""
        jobs = [job("b/c", account="a"), job("c", account="a/b"), job("A"), job("a"), job("a ")]
        await record(ledger, *jobs)
        assert await ledger.find([one.key for one in jobs]) == {one.key: one for one in jobs}
        assert await ledger.find([jobs[0].key]) == {jobs[0].key: jobs[0]}


class TestLive:
    async def test_only_jobs_that_have_not_ended_are_live(self, ledger):
        alive = [job("a"), job("b", state="queued"), job("c", state="some new word")]
        gone = [ended("d", at=120.0), ended("e", at=120.0, state="lost"), job("f", state=DELETED)]
        await record(ledger, *alive, *gone)
        assert await all_live(ledger) == {one: [] for one in alive}

    @pytest.mark.parametrize("limit", [1, 2, 7, 50])
    async def test_pages_hold_every_job_once_with_its_deliveries(self, ledger, limit):
        jobs = [job(f"{n:02}", tracked_at=100.0 - n % 5, account=f"acme-{n % 3}") for n in range(50)]
        await record(ledger, *jobs, *(owed(one, sink) for one in jobs[::2] for sink in ("s", "orders")))
        await record(
            ledger, *(ended(one.id, at=150.0, account=one.account, tracked_at=one.tracked_at) for one in jobs[:9])
        )
        rows = await all_live(ledger, limit)
        assert rows == {one: [owed(one, "orders"), owed(one, "s")] if one in jobs[::2] else [] for one in jobs[9:]}

    async def test_a_place_that_is_gone_is_refused(self, ledger):
        """Going on after a job that was forgotten meanwhile must not look like the end."""
        await record(ledger, job("a"), job("b"))
        with pytest.raises(LedgerError, match="acme/c"):
            await ledger.live(job("c"), 10)


class TestPage:
    async def test_newest_first_then_by_name_in_pages(self, ledger):
        jobs = [job(f"{n:03}", tracked_at=100.0 + n // 4, account=f"acme-{n % 3}") for n in range(40)]
        await record(ledger, *jobs)
        expected = sorted(jobs, key=lambda one: (one.tracked_at, one.account, one.id), reverse=True)
        found: list[Job] = []
        after = None
        while page := await ledger.page(accounts=None, state=None, after=after, limit=7):
            found.extend(page)
            after = Cursor(tracked_at=page[-1].tracked_at, account=page[-1].account, id=page[-1].id)
        assert found == expected

    async def test_a_page_shows_the_accounts_and_the_state_asked_for(self, ledger):
        one, two, three = job("1"), job("2", account="b", state="working"), ended("3", at=120.0, account="c")
        await record(ledger, one, two, three)

        async def page(accounts, state):
            return await ledger.page(accounts=accounts, state=state, after=None, limit=10)

        assert await page(["acme"], None) == [one]
        assert await page({"b", "c"}, None) == [three, two]
        assert await page(None, "working") == [two]
        assert await page(["acme"], "working") == []
        assert await page([], None) == []

    async def test_a_deleted_job_and_its_former_lives_are_hidden(self, ledger):
        await record(ledger, ended(at=120.0, tracked_at=100.0), job(tracked_at=200.0, state=DELETED))
        assert await ledger.page(accounts=None, state=None, after=None, limit=10) == []
        assert await ledger.page(accounts=None, state=DELETED, after=None, limit=10) == []

    async def test_a_cursor_stays_good_when_its_job_is_gone(self, ledger):
        await record(ledger, job("a", tracked_at=1.0), ended("b", at=2.0, tracked_at=2.0), job("c", tracked_at=3.0))
        assert await ledger.forget(FORGET_ALL, 9) == 1
        after = Cursor(tracked_at=2.0, account="acme", id="b")
        assert await ledger.page(accounts=None, state=None, after=after, limit=9) == [job("a", tracked_at=1.0)]


class TestDeliveries:
    async def test_due_are_the_pending_ones_of_the_sink_earliest_first(self, ledger):
        jobs = [job(f"{n}") for n in range(5)]
        due_at = [30.0, 10.0, 20.0, 40.0, 10.0]
        rows = [owed(one, due_at=at, since=50.0 - n) for n, (one, at) in enumerate(zip(jobs, due_at, strict=True))]
        settled = [
            owed(jobs[0], "done", state=DELIVERED, settled_at=1.0),
            owed(jobs[1], "dead", state=DEAD, settled_at=1.0),
        ]
        await record(ledger, *jobs, *rows, *settled, owed(jobs[0], "other", due_at=0.0))
        assert [one.id for _, one in await ledger.due("orders", 30.0, 10)] == ["4", "1", "2", "0"]
        assert await ledger.due("orders", 30.0, 2) == [(rows[4], jobs[4]), (rows[1], jobs[1])]
        assert await ledger.due("orders", 9.9, 10) == []
        settled_since = replace(rows[1], state=DELIVERED, settled_at=11.0)
        await record(ledger, settled_since)
        assert [one.id for _, one in await ledger.due("orders", 30.0, 10, after=rows[4])] == ["2", "0"]
        assert [one.id for _, one in await ledger.due("orders", 30.0, 1, after=rows[1])] == ["2"]
        assert await ledger.due("orders", 30.0, 10, after=rows[0]) == []
        assert await ledger.due("done", 99.0, 10) == await ledger.due("dead", 99.0, 10) == []

    async def test_next_due_is_the_earliest_after_the_time_given(self, ledger):
        await record(ledger, job("a"), job("b"), owed(job("a"), due_at=10.0), owed(job("b"), due_at=20.0))
        assert await ledger.next_due("orders", 0.0) == 10.0
        assert await ledger.next_due("orders", 10.0) == 20.0
        assert await ledger.next_due("orders", 20.0) is None
        assert await ledger.next_due("other", 0.0) is None
        await record(ledger, owed(job("a"), state=DELIVERED, settled_at=11.0))
        assert await ledger.next_due("orders", 0.0) == 20.0

    async def test_the_deliveries_of_a_job_come_by_sink(self, ledger):
        await record(ledger, job(), *(owed(job(), sink) for sink in ("c", "a", "b")))
        assert [delivery.sink for delivery in await ledger.deliveries_of(job())] == ["a", "b", "c"]
        assert await ledger.deliveries_of(job("other")) == []

    async def test_callbacks_to_one_origin_are_due_together(self, ledger):
        """Their limits and troubles are shared, so they are asked for by endpoint; a row of theirs keeps its sink."""
        one, two = job("1"), job("2")
        rows = [owed(one, CALLBACKS[0], due_at=30.0), owed(one, CALLBACKS[1], due_at=10.0), owed(two, CALLBACKS[0])]
        other = owed(one, sink_of("https://other.example/"), due_at=1.0)
        await record(ledger, one, two, *rows, other)
        assert {row.endpoint for row in rows} == {ORIGIN}
        assert await ledger.due(ORIGIN, 50.0, 9) == [(rows[1], one), (rows[0], one)]
        assert await ledger.due(CALLBACKS[0], 500.0, 9) == []
        assert await ledger.next_due(ORIGIN, 0.0) == 10.0
        assert await ledger.next_due(ORIGIN, 30.0) == 100.0
        assert (await ledger.backlog())[ORIGIN] == Backlog(pending=3, oldest_pending_since=100.0)

    async def test_overaged_are_the_pending_ones_owed_since_long_whether_due_or_not(self, ledger):
        jobs = [job(f"{n}") for n in range(5)]
        since = [40.0, 10.0, 20.0, 30.0, 30.0]
        rows = [owed(one, since=at, due_at=10_000.0) for one, at in zip(jobs, since, strict=True)]
        settled = owed(jobs[0], "done", since=1.0, state=DEAD, settled_at=1.0)
        await record(ledger, *jobs, *rows, settled, owed(jobs[0], "other", since=1.0))
        assert await ledger.overaged("orders", 30.0, 9) == [(rows[1], jobs[1]), (rows[2], jobs[2])]
        assert [one.id for _, one in await ledger.overaged("orders", 99.0, 4)] == ["1", "2", "3", "4"]
        assert await ledger.overaged("orders", 10.0, 9) == await ledger.overaged("done", 99.0, 9) == []

    async def test_the_backlog_counts_pending_and_dead_by_endpoint(self, ledger):
        one, two = job("1"), job("2")
        await record(
            ledger,
            *(one, two),
            *(owed(one, "x", since=50.0), owed(two, "x", since=40.0)),
            *(owed(one, "y", state=DEAD, settled_at=1.0), owed(two, "y", since=70.0)),
            owed(one, "z", state=DEAD, settled_at=1.0),
            *(owed(one, sink, state=DEAD, settled_at=1.0) for sink in CALLBACKS),
        )
        assert await ledger.backlog() == {
            "x": Backlog(pending=2, oldest_pending_since=40.0),
            "y": Backlog(pending=1, dead=1, oldest_pending_since=70.0),
            "z": Backlog(dead=1),
            ORIGIN: Backlog(dead=2),
        }

    async def test_one_delivery_is_found_by_its_key(self, ledger):
        old, new = job(tracked_at=100.0, state="lost", detected_at=400.0), job(tracked_at=500.0)
        await record(ledger, old, new, owed(old, "x"), owed(new, "x", attempts=2), owed(new, "y"))
        assert await ledger.delivery(owed(old, "x").key) == (owed(old, "x"), old)
        assert await ledger.delivery(owed(new, "x").key) == (owed(new, "x", attempts=2), new)
        assert await ledger.delivery(owed(old, "y").key) is None

    @pytest.mark.parametrize("state", DeliveryState)
    @pytest.mark.parametrize("limit", [1, 3, 50])
    async def test_pages_hold_every_delivery_of_a_state_once_by_key_descending(self, ledger, state, limit):
        jobs = [job(f"{n:02}", tracked_at=100.0 + n % 4, account=f"acme-{n % 3}") for n in range(12)]
        rows = [
            owed(one, sink, state=DeliveryState(list(DeliveryState)[(n + k) % 3]), settled_at=1.0)
            for n, one in enumerate(jobs)
            for k, sink in enumerate(("a", "b", *CALLBACKS))
        ]
        await record(ledger, *jobs, *rows)
        expected = sorted((row for row in rows if row.state is state), key=lambda row: row.key, reverse=True)
        assert await all_deliveries(ledger, limit, DeliveryFilter(state=state)) == expected

    async def test_a_page_of_deliveries_shows_the_sink_and_the_time_asked_for(self, ledger):
        """`callback` are all callbacks; a delivery comes with its job."""
        jobs = [job(f"{n}") for n in range(4)]
        rows = [owed(one, state=DEAD, settled_at=1.0, since=10.0 * n) for n, one in enumerate(jobs)]
        called = [owed(jobs[0], sink, state=DEAD, settled_at=1.0, since=5.0) for sink in CALLBACKS]
        await record(ledger, *jobs, *rows, *called, owed(jobs[0], "callbacks", state=DEAD, settled_at=1.0))

        async def sinks_and_times(**wanted):
            found = await ledger.deliveries(DeliveryFilter(state=DEAD, **wanted), None, 50)
            assert all(job.id == delivery.job_id for delivery, job in found)
            return [(delivery.sink, delivery.since) for delivery, _ in found]

        assert await sinks_and_times(sink="orders", since=10.0, until=30.0) == [("orders", 20.0), ("orders", 10.0)]
        assert await sinks_and_times(sink=CALLBACK) == [(sink, 5.0) for sink in sorted(CALLBACKS, reverse=True)]
        assert await sinks_and_times(sink=CALLBACK, until=5.0) == []
        assert await sinks_and_times(until=10.0) == [
            ("orders", 0.0),
            *((sink, 5.0) for sink in sorted(CALLBACKS, reverse=True)),
        ]


class TestEvents:
    async def test_events_come_by_position_each_with_its_job_as_it_stands_now(self, ledger):
        one, two = with_event(job("1"), STARTED, 1), with_event(job("2"), STARTED, 2)
        await record_events(ledger, one, two)
        done = with_event(one, COMPLETED, 3, at=150.0, state="completed", detected_at=150.0)
        await record_events(ledger, done)
        page = await ledger.events(EventFilter(), 0, 9)
        assert page == EventPage(
            events=[(done, done.events[0]), (two, two.events[0]), (done, done.events[1])], reached=3, more=False
        )

    @pytest.mark.parametrize("limit", [1, 2, 7, 50])
    async def test_pages_hold_every_event_once(self, ledger, limit):
        jobs = [with_event(job(f"{n}"), STARTED, n + 1) for n in range(20)]
        await record_events(ledger, *jobs)
        await record_events(ledger, *(with_event(one, COMPLETED, 21 + n) for n, one in enumerate(jobs[::2])))
        assert [event.position for _, event in await all_events(ledger, limit)] == list(range(1, 31))
        assert [event.position for _, event in await all_events(ledger, limit, after=25)] == list(range(26, 31))

    async def test_a_page_tells_whether_there_is_more(self, ledger):
        await record_events(ledger, *(with_event(job(f"{n}"), STARTED, n) for n in (1, 2, 3)))
        pages = [await ledger.events(EventFilter(), after, 2) for after in (0, 1, 3, 9)]
        assert [(page.reached, page.more) for page in pages] == [(2, True), (3, False), (3, False), (9, False)]

    async def test_newer_progress_takes_the_place_of_older(self, ledger):
        """Also when both are recorded at once."""
        running = with_event(with_event(job(), STARTED, 1), PROGRESSED, 2)
        await ledger.commit(Batch(jobs=[running], events=[(running, event) for event in running.events]))
        newer = with_event(running, PROGRESSED, 3)
        newest = with_event(newer, PROGRESSED, 4)
        await ledger.commit(Batch(jobs=[newest], events=[(newer, newer.events[-1]), (newest, newest.events[-1])]))
        assert await all_events(ledger) == [(newest, event) for event in newest.events]
        assert await positions_of(ledger) == [1, 4]

    async def test_a_row_that_is_replaced_keeps_its_events(self, ledger):
        seen = with_event(job(), STARTED, 1)
        await record_events(ledger, seen)
        await record(ledger, replace(seen, metadata=b'{"a":1}'))
        assert await all_events(ledger) == [(replace(seen, metadata=b'{"a":1}'), seen.events[0])]

    async def test_events_of_deleted_jobs_are_hidden_and_those_of_a_former_life_are_not(self, ledger):
        former = with_event(job("1", state="lost"), EventType.LOST, 1)
        await record_events(ledger, former, with_event(job("2"), STARTED, 2))
        again = with_event(job("1", tracked_at=500.0), STARTED, 3)
        await record_events(ledger, again)
        await record(ledger, replace(again, state=DELETED))
        await record(ledger, with_event(job("2"), STARTED, 2, state=DELETED))
        assert await all_events(ledger) == [(former, former.events[0])]

    async def test_a_filter_picks_by_account_job_type_and_time(self, ledger):
        one = with_event(job("1"), STARTED, 1, at=10.0)
        two = with_event(job("2", account="globex"), STARTED, 2, at=30.0)
        three = with_event(job("1", account="globex"), COMPLETED, 3, at=20.0, state="completed")
        await record_events(ledger, one, two, three)
        assert await positions_of(ledger, accounts=["globex"]) == [2, 3]
        assert await positions_of(ledger, accounts={"globex", "acme"}) == [1, 2, 3]
        assert await positions_of(ledger, accounts=[]) == []
        assert await positions_of(ledger, job="1") == [1, 3]
        assert await positions_of(ledger, types=frozenset({COMPLETED, EventType.FAILED})) == [3]
        assert await positions_of(ledger, since=20.0) == [2, 3]
        assert await positions_of(ledger, accounts=["globex"], job="1", since=20.1) == []

    async def test_a_page_without_events_still_gets_on(self, ledger):
        await record_events(ledger, *(with_event(job(f"{n}"), STARTED, n) for n in (1, 2, 3)))
        assert await ledger.events(EventFilter(job="other"), 0, 2) == EventPage(events=[], reached=3, more=False)

    async def test_all_events_since_a_moment_lie_beyond_the_position_before_it(self, ledger):
        """Also where the clock went back. As long as times rise, no other event does."""
        times = [10.0, 20.0, 30.0, 15.0, 40.0]
        await record_events(ledger, *(with_event(job(f"{n}"), STARTED, n + 1, at=at) for n, at in enumerate(times)))
        assert await ledger.position_before(10.0) == 0
        assert await ledger.position_before(20.0) == 1
        assert await ledger.position_before(15.0) == 1
        assert await ledger.position_before(30.1) <= 4
        assert await ledger.position_before(41.0) == 5


class TestPositions:
    async def test_the_newest_is_of_all_events_ever_recorded(self, ledger):
        assert await ledger.positions() == Positions()
        await record_events(ledger, with_event(ended("a", at=10.0), COMPLETED, 1))
        assert await ledger.positions() == Positions(newest=1)
        await record_events(ledger, with_event(ended("b", at=10.0), COMPLETED, 2))
        await ledger.forget(FORGET_ALL, 10)
        assert await ledger.positions() == Positions(newest=2, forgotten=2)
        await record_events(ledger, with_event(job("c"), STARTED, 3))
        assert await ledger.positions() == Positions(newest=3, forgotten=2)

    async def test_events_of_a_deleted_job_are_not_forgotten_but_their_positions_are_not_free_again(self, ledger):
        seen = with_event(job("a"), STARTED, 5)
        await record_events(ledger, seen)
        await record(ledger, replace(seen, state=DELETED))
        assert await ledger.forget(FORGET_ALL, 10) == 1
        assert await ledger.positions() == Positions(newest=5)

    async def test_a_job_without_events_leaves_the_positions_as_they_are(self, ledger):
        await record_events(ledger, with_event(job("a"), STARTED, 5))
        await record(ledger, ended("b", at=10.0))
        assert await ledger.forget(FORGET_ALL, 10) == 1
        assert await ledger.positions() == Positions(newest=5)

    async def test_what_is_older_than_a_forgotten_event_is_not_read_any_more(self, ledger):
        """So a reader who has seen the newest forgotten one has missed nothing, and any other can tell that it has."""
        kept = with_event(ended("kept", at=10.0), COMPLETED, 1)
        await record_events(ledger, kept, with_event(ended("gone", at=10.0), COMPLETED, 2))
        await record(ledger, owed(kept))
        await record_events(ledger, with_event(job("new"), STARTED, 3))
        assert await ledger.forget(FORGET_ALL, 10) == 1
        assert await positions_of(ledger) == [3]
        assert await ledger.position_before(0.0) == 2


class TestMarks:
    async def test_marks_are_kept_replaced_and_removed(self, ledger):
        await ledger.commit(Batch(marks={"a": b"1", "b": b"\x00\xff", "c": b""}))
        await ledger.commit(Batch(marks={"a": b"2", "b": None, "never there": None}))
        assert await ledger.marks() == {"a": b"2", "c": b""}


class TestForget:
    async def kept(self, ledger) -> list[str]:
        return sorted(key.id for key in await ledger.find([JobKey("acme", name) for name in "abcdef"]))

    async def test_live_jobs_and_pending_deliveries_hold_a_job(self, ledger):
        await record(ledger, job("a"), ended("b", at=10.0), owed(ended("b", at=10.0)), job("c", state=DELETED))
        await record(ledger, owed(job("c", state=DELETED)), ended("d", at=10.0))
        assert await ledger.forget(FORGET_ALL, 10) == 1
        assert await self.kept(ledger) == ["a", "b", "c"]

    async def test_a_job_is_kept_for_as_long_as_its_end_or_its_last_settlement_is_recent(self, ledger):
        await record(ledger, ended("a", at=99.9), ended("b", at=100.0), ended("c", at=50.0), ended("d", at=50.0))
        await record(ledger, owed(job("c"), state=DELIVERED, settled_at=100.0))
        await record(ledger, owed(job("d"), state=DELIVERED, settled_at=99.9))
        assert await ledger.forget(Retention(finished_before=100.0, dead_before=0.0), 10) == 2
        assert await self.kept(ledger) == ["b", "c"]

    async def test_a_dead_delivery_is_kept_for_its_own_time(self, ledger):
        await record(ledger, ended("a", at=10.0), ended("b", at=10.0), ended("c", at=10.0))
        await record(ledger, owed(job("a"), state=DEAD, settled_at=20.0), owed(job("b"), state=DEAD, settled_at=40.0))
        await record(ledger, owed(job("c"), "x", state=DEAD, settled_at=20.0))
        await record(ledger, owed(job("c"), "y", state=DELIVERED, settled_at=100.0))
        assert await ledger.forget(Retention(finished_before=100.0, dead_before=30.0), 10) == 1
        assert await self.kept(ledger) == ["b", "c"]

    async def test_a_deleted_job_goes_as_soon_as_nothing_is_pending(self, ledger):
        await record(ledger, job("a", state=DELETED), ended("b", at=10.0, state=DELETED))
        await record(ledger, owed(job("b"), state=DEAD, settled_at=99.0))
        assert await ledger.forget(Retention(finished_before=0.0, dead_before=0.0), 10) == 2
        assert await self.kept(ledger) == []

    async def test_what_was_never_seen_counts_from_its_tracking(self, ledger):
        await record(ledger, job("a", state="lost", tracked_at=5.0), job("b", state="lost", tracked_at=15.0))
        assert await ledger.forget(Retention(finished_before=10.0, dead_before=10.0), 10) == 1
        assert await self.kept(ledger) == ["b"]

    async def test_deliveries_go_with_their_job(self, ledger):
        await record(ledger, ended("a", at=10.0), owed(job("a"), state=DEAD, settled_at=10.0))
        assert await ledger.forget(FORGET_ALL, 10) == 1
        assert await ledger.backlog() == {}
        assert await ledger.deliveries_of(job("a")) == []

    async def test_no_more_than_the_limit_goes_at_a_time(self, ledger):
        await record(ledger, *(ended(name, at=10.0) for name in "abcde"))
        assert [await ledger.forget(FORGET_ALL, 2) for _ in range(4)] == [2, 2, 1, 0]


accounts, names, sinks = (
    st.sampled_from(["acme", "b"]),
    st.sampled_from(["1", "2", "3", "é"]),
    st.sampled_from(["s", "t", *CALLBACKS]),
)
times = st.sampled_from([0.1, 1.0, 2.5, 3.0, 1_700_000_000.123])
states = st.sampled_from(["pending", "working", "completed", "lost", DELETED, "odd word"])
jobs = st.builds(
    Job, account=accounts, id=names, tracked_at=times, state=states, sequence=st.integers(0, 3), detected_at=times
)


@st.composite
def batches(draw):
    recorded = draw(st.lists(jobs, max_size=6))
    deliveries = st.builds(
        lambda to, state, settled_at, **fields: owed(
            to, state=state, settled_at=None if state is PENDING else settled_at, **fields
        ),
        to=st.sampled_from(recorded) if recorded else jobs,
        sink=sinks,
        state=st.sampled_from(DeliveryState),
        since=times,
        due_at=times,
        settled_at=times,
        attempts=st.integers(0, 9),
    )
    return Batch(
        jobs=recorded,
        deliveries=draw(st.lists(deliveries, max_size=6)),
        marks=draw(st.dictionaries(st.sampled_from(["m", "n"]), st.none() | st.binary(max_size=4))),
    )


steps = st.lists(batches() | st.builds(Retention, finished_before=times, dead_before=times), max_size=8)


@given(steps=steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sqlite_answers_as_the_reference_does(steps, tmp_path_factory):
    """Whatever is committed, refused or forgotten: both hold the same, and say so the same way."""
    asyncio.run(_compare(steps, SqliteLedger(tmp_path_factory.mktemp("ledger") / "relay.db")))


async def _compare(steps, sqlite: SqliteLedger) -> None:
    memory = MemoryLedger()
    await sqlite.open()
    try:
        for step in steps:
            assert await _apply(sqlite, step) == await _apply(memory, step)
            assert await _answers(sqlite) == await _answers(memory)
    finally:
        await sqlite.close()


async def _apply(ledger: Ledger, step: Batch | Retention) -> object:
    try:
        return await (ledger.commit(step) if isinstance(step, Batch) else ledger.forget(step, 1000))
    except LedgerError:
        return LedgerError


async def _answers(ledger: Ledger) -> object:
    keys = [JobKey(account, name) for account in ("acme", "b") for name in ("1", "2", "3", "é")]
    after = Cursor(tracked_at=2.5, account="b", id="1")
    backlog = await ledger.backlog()
    return (
        await everything_but_settled(ledger),
        {sink: owes for sink, owes in backlog.items() if owes != Backlog()},
        await ledger.find(keys),
        await ledger.page(accounts=["b"], state="working", after=after, limit=3),
        [await ledger.due(endpoint, 2.5, limit) for endpoint in ENDPOINTS for limit in (1, 100)],
        [await ledger.overaged(endpoint, 2.5, limit) for endpoint in ENDPOINTS for limit in (1, 100)],
        [await ledger.next_due(endpoint, at) for endpoint in ENDPOINTS for at in (0.0, 2.5)],
        [await all_deliveries(ledger, 2, wanted) for wanted in DELIVERY_FILTERS],
    )


ENDPOINTS = ("s", "t", ORIGIN)
DELIVERY_FILTERS = (
    *(DeliveryFilter(state=state) for state in DeliveryState),
    DeliveryFilter(state=PENDING, sink="s", since=1.0, until=3.0),
    DeliveryFilter(state=DEAD, sink=CALLBACK, until=3.0),
)


async def everything_but_settled(ledger: Ledger) -> object:
    jobs = await ledger.page(accounts=None, state=None, after=None, limit=1000)
    return jobs, [await ledger.deliveries_of(one) for one in jobs], await all_live(ledger, 2), await ledger.marks()


class History:
    """What is told to both ledgers, numbered as the writer numbers it."""

    def __init__(self) -> None:
        self.position = 0
        self.jobs: dict[tuple[str, float], Job] = {}

    def batch(self, changes: list[tuple[str, float, EventType | None, float]]) -> Batch:
        """Each change is a job's new event, or its deletion."""
        events = []
        for name, tracked_at, kind, at in changes:
            known = self.jobs.get((name, tracked_at), job(name, tracked_at=tracked_at))
            if kind is None:
                known = replace(known, state=DELETED)
            elif not known.terminal:
                self.position += 1
                state = "completed" if kind is COMPLETED else "working"
                known = with_event(known, kind, self.position, at=at, state=state, detected_at=at)
                events.append((known, known.events[-1]))
            self.jobs[name, tracked_at] = known
        changed = {(name, tracked_at) for name, tracked_at, *_ in changes}
        return Batch(jobs=[self.jobs[place] for place in changed], events=events)

    async def forget(self, ledgers: list[Ledger], retention: Retention) -> None:
        assert len({await ledger.forget(retention, 1000) for ledger in ledgers}) == 1
        before = list(self.jobs.items())
        self.jobs = {place: one for place, one in before if await _holds(ledgers[0], one)}


async def _holds(ledger: Ledger, one: Job) -> bool:
    try:
        await ledger.live(one, 1)
    except LedgerError:
        return False
    return True


changes = st.tuples(names, st.sampled_from([1.0, 2.0]), st.sampled_from([STARTED, PROGRESSED, COMPLETED, None]), times)
histories = st.lists(
    st.lists(changes, max_size=5) | st.builds(Retention, finished_before=times, dead_before=times), max_size=8
)
EVENT_FILTERS = (EventFilter(), EventFilter(job="1"), EventFilter(types=frozenset({COMPLETED}), since=1.0))


@given(history=histories)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sqlite_reads_events_as_the_reference_does(history, tmp_path_factory):
    asyncio.run(_compare_events(history, SqliteLedger(tmp_path_factory.mktemp("ledger") / "relay.db")))


async def _compare_events(history, sqlite: SqliteLedger) -> None:
    told, memory = History(), MemoryLedger()
    await sqlite.open()
    try:
        for step in history:
            if isinstance(step, Retention):
                await told.forget([memory, sqlite], step)
            else:
                batch = told.batch(step)
                await memory.commit(batch)
                await sqlite.commit(batch)
            assert await _events(sqlite) == await _events(memory)
            assert await sqlite.positions() == await memory.positions()
            assert (await sqlite.positions()).newest == told.position
            await _before_is_before(sqlite)
            await _before_is_before(memory)
    finally:
        await sqlite.close()


async def _events(ledger: Ledger) -> list[EventPage]:
    return [
        await ledger.events(wanted, after, limit) for wanted in EVENT_FILTERS for after in (0, 3) for limit in (2, 100)
    ]


async def _before_is_before(ledger: Ledger) -> None:
    for moment in (0.0, 1.0, 2.6, 1e12):
        position = await ledger.position_before(moment)
        assert all(event.position > position for _, event in await all_events(ledger, since=moment))


class TestLifeCycle:
    async def test_close_is_safe_before_open_and_twice(self, tmp_path):
        for made in (MemoryLedger(), SqliteLedger(tmp_path / "relay.db")):
            await made.close()
            await made.open()
            await made.close()
            await made.close()

    async def test_what_was_recorded_is_there_after_reopening(self, tmp_path):
        ledger = SqliteLedger(tmp_path / "relay.db")
        await ledger.open()
        await record(ledger, FULL_JOB, owed(FULL_JOB), job("live"))
        await ledger.commit(Batch(marks={"m": b"1"}))
        before = await everything(ledger)
        await ledger.close()
        await ledger.open()
        assert await everything(ledger) == before
        assert replace(FULL_JOB) in (await ledger.find([FULL_JOB.key])).values()
        await ledger.close()
