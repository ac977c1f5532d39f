"""The statements find their rows by an index, and a long way goes in short steps."""

import re
import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace

from relay.core.callbacks import CALLBACK
from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import Event, EventType, Job
from relay.core.record import Batch, DeliveryFilter, EventFilter, Retention
from relay.errors import LedgerUnusable
from relay.ledger import deliveries, events, forgetting, jobs, schema, statements, writing
from relay.ledger.sqlite import SqliteLedger


@pytest.fixture
def connection():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.execute("PRAGMA foreign_keys = ON")
        schema.migrate(opened)
        yield opened


def spelled_out():
    """Every statement with each filter and state that it may be given."""
    filters = {
        jobs: [[], jobs._wanted(["a", "b"], "failed")],
        deliveries: [
            [],
            deliveries._wanted(DeliveryFilter(state=DeliveryState.DEAD, sink=CALLBACK)),
            deliveries._wanted(DeliveryFilter(state=DeliveryState.DEAD, sink="orders", since=1.0, until=2.0)),
        ],
        events: [[], events._wanted(EventFilter(accounts=["a"], job="1", types=frozenset(EventType), since=1.0))],
    }
    conditions = {module: [statements.all_of(wanted)[0] for wanted in some] for module, some in filters.items()}
    for module in (writing, jobs, deliveries, events, forgetting):
        for name, sql in vars(module).items():
            if re.fullmatch("[A-Z_]+", name) and isinstance(sql, str) and "SELECT" in sql and name not in WHOLE:
                for condition in conditions.get(module, ["TRUE"]):
                    filled = sql.replace(":filter", condition).replace(":rows", "(?, ?, ?)")
                    for state in DeliveryState:
                        yield filled.replace(":state", f"'{state}'")


WHOLE = {"WITH_JOBS", "MARKS"}  # a part of others, and the one that reads a whole table, a small one
WHOLE_TABLE = re.compile(r"SCAN (jobs|j|events|e|deliveries|d|marks)\b(?! USING COVERING INDEX)")


@pytest.mark.parametrize("sql", sorted(set(spelled_out())))
def test_no_statement_reads_a_whole_table_or_sorts(connection, sql):
    parameters = dict.fromkeys(re.findall(r":(\w+)", sql), 1) or [1] * sql.count("?")
    plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert plan
    assert not [step for step in plan if WHOLE_TABLE.match(step) or "TEMP B-TREE" in step]


def some_jobs(count: int, **fields) -> list[Job]:
    return [Job(account="acme", id=f"{n:02}", tracked_at=float(n), **fields) for n in range(count)]


def owed(job: Job, sink: str = "s") -> Delivery:
    return Delivery(
        account=job.account, job_id=job.id, tracked_at=job.tracked_at, sink=sink, sequence=1, since=1.0, due_at=1.0
    )


def begun(job: Job, position: int) -> Job:
    event = Event(
        type=EventType.STARTED,
        sequence=1,
        detected_at=1.0,
        previous_status=None,
        metadata=b"{}",
        position=position,
    )
    return replace(job, events=(event,))


async def test_a_rare_state_is_found_behind_many_others(tmp_path, monkeypatch):
    """A page is put together from several scans, between which commits get their turn."""
    monkeypatch.setattr(statements, "ROWS_SCANNED_MAX", 3)
    rows = some_jobs(20)
    rows[1] = Job(account="acme", id="01", tracked_at=1.0, state="failed")
    rows[12] = Job(account="acme", id="12", tracked_at=12.0, state="failed")
    ledger = SqliteLedger(tmp_path / "relay.db")
    await ledger.open()
    await ledger.commit(Batch(jobs=rows))
    assert await ledger.page(accounts=None, state="failed", after=None, limit=5) == [rows[12], rows[1]]
    assert await ledger.page(accounts=None, state="failed", after=None, limit=1) == [rows[12]]
    assert await ledger.page(accounts=["acme"], state=None, after=None, limit=20) == rows[::-1]
    await ledger.close()


async def test_jobs_that_must_stay_do_not_hide_those_that_may_go(tmp_path, monkeypatch):
    monkeypatch.setattr(statements, "ROWS_SCANNED_MAX", 3)
    rows = some_jobs(20, state="completed", detected_at=50.0)
    ledger = SqliteLedger(tmp_path / "relay.db")
    await ledger.open()
    await ledger.commit(Batch(jobs=rows, deliveries=[owed(job) for job in rows[:12]]))
    retention = Retention(finished_before=60.0, dead_before=60.0)
    assert [await ledger.forget(retention, 5) for _ in range(3)] == [5, 3, 0]
    assert await ledger.page(accounts=None, state=None, after=None, limit=20) == rows[11::-1]
    await ledger.close()


async def test_a_rare_delivery_is_found_behind_many_others(tmp_path, monkeypatch):
    monkeypatch.setattr(statements, "ROWS_SCANNED_MAX", 3)
    rows = some_jobs(20)
    to = {job.id: owed(job, "rare" if job.id in {"01", "12"} else "s") for job in rows}
    ledger = SqliteLedger(tmp_path / "relay.db")
    await ledger.open()
    await ledger.commit(Batch(jobs=rows, deliveries=list(to.values())))
    rare = DeliveryFilter(state=DeliveryState.PENDING, sink="rare")
    assert await ledger.deliveries(rare, None, 5) == [(to["12"], rows[12]), (to["01"], rows[1])]
    assert await ledger.deliveries(rare, to["12"].key, 5) == [(to["01"], rows[1])]
    assert [job for _, job in await ledger.deliveries(DeliveryFilter(state=DeliveryState.PENDING), None, 7)] == (
        rows[19:12:-1]
    )
    await ledger.close()


async def test_a_page_of_events_says_how_far_it_has_looked(tmp_path, monkeypatch):
    monkeypatch.setattr(statements, "ROWS_SCANNED_MAX", 3)
    rows = [begun(job, 10 * n) for n, job in enumerate(some_jobs(7), start=1)]
    ledger = SqliteLedger(tmp_path / "relay.db")
    await ledger.open()
    await ledger.commit(Batch(jobs=rows, events=[(job, job.events[0]) for job in rows]))
    pages = [await ledger.events(EventFilter(job="04"), after, 5) for after in (0, 30, 60)]
    assert [(len(page.events), page.reached, page.more) for page in pages] == [
        *((0, 30, True), (1, 60, True), (0, 70, False))
    ]
    await ledger.close()


@pytest.mark.parametrize("value", [b"", b"\x00\x01", b'{"v":1}', b'{"v":99}', "text"])
@pytest.mark.parametrize("count", [2, 9])
def test_a_live_row_that_cannot_be_read_stops_the_loading_and_is_named(connection, value, count):
    writing.write(connection, Batch(jobs=some_jobs(count)[1:]))
    connection.execute("UPDATE jobs SET value = ? WHERE id = '01'", (value,))
    with pytest.raises(LedgerUnusable, match="acme/01"):
        jobs.live(connection, None, 10)


def test_a_delivery_that_cannot_be_read_is_named(connection):
    (job,) = some_jobs(1)
    writing.write(connection, Batch(jobs=[job], deliveries=[owed(job)]))
    connection.execute("UPDATE deliveries SET value = x'00'")
    with pytest.raises(LedgerUnusable, match=r"acme/00.*not a delivery row"):
        deliveries.due(connection, "s", 9.0, 10)
