"""The statements find their rows by an index, and a long way goes in short steps."""

import re
import sqlite3
from contextlib import closing

import pytest

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.record import Batch, Retention
from relay.errors import LedgerUnusable
from relay.ledger import schema, tables
from relay.ledger.sqlite import SqliteLedger


@pytest.fixture
def connection():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.execute("PRAGMA foreign_keys = ON")
        schema.migrate(opened)
        yield opened


STATEMENTS = {
    name: sql.replace(":filter", "account IN (?, ?) AND state = ?").replace(":rows", "(?, ?, ?)")
    for name, sql in vars(tables).items()
    if re.fullmatch("[A-Z_]+", name) and isinstance(sql, str)
}
WHOLE_TABLE = re.compile(r"SCAN (jobs|j|events|e|deliveries|d|marks)\b(?! USING COVERING INDEX)")


WITHOUT_INDEX = {"PUT_JOBS", "PUT_EVENTS", "PUT_DELIVERIES", "PUT_MARKS", "REMOVE_MARKS", "MARKS", "OWNERS_OF_VALUE"}


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - WITHOUT_INDEX))
def test_no_statement_reads_a_whole_table_or_sorts(connection, name):
    sql = STATEMENTS[name]
    parameters = dict.fromkeys(re.findall(r":(\w+)", sql), 1) or [1] * sql.count("?")
    plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert plan
    assert not [step for step in plan if WHOLE_TABLE.match(step) or "TEMP B-TREE" in step]


def jobs(count: int, **fields) -> list[Job]:
    return [Job(account="acme", id=f"{n:02}", tracked_at=float(n), **fields) for n in range(count)]


def owed(job: Job) -> Delivery:
    return Delivery(
        account=job.account, job_id=job.id, tracked_at=job.tracked_at, sink="s", sequence=1, since=1.0, due_at=1.0
    )


async def test_a_rare_state_is_found_behind_many_others(tmp_path, monkeypatch):
    """A page is put together from several scans, between which commits get their turn."""
    monkeypatch.setattr(tables, "ROWS_SCANNED_MAX", 3)
    rows = jobs(20)
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
    monkeypatch.setattr(tables, "ROWS_SCANNED_MAX", 3)
    rows = jobs(20, state="completed", detected_at=50.0)
    ledger = SqliteLedger(tmp_path / "relay.db")
    await ledger.open()
    await ledger.commit(Batch(jobs=rows, deliveries=[owed(job) for job in rows[:12]]))
    retention = Retention(finished_before=60.0, dead_before=60.0)
    assert [await ledger.forget(retention, 5) for _ in range(3)] == [5, 3, 0]
    assert await ledger.page(accounts=None, state=None, after=None, limit=20) == rows[11::-1]
    await ledger.close()


@pytest.mark.parametrize("value", [b"", b"\x00\x01", b'{"v":1}', b'{"v":99}', "text"])
@pytest.mark.parametrize("count", [2, 9])
def test_a_live_row_that_cannot_be_read_stops_the_loading_and_is_named(connection, value, count):
    tables.write(connection, Batch(jobs=jobs(count)[1:]))
    connection.execute("UPDATE jobs SET value = ? WHERE id = '01'", (value,))
    with pytest.raises(LedgerUnusable, match="acme/01"):
        tables.live(connection, None, 10)


def test_a_delivery_that_cannot_be_read_is_named(connection):
    (job,) = jobs(1)
    tables.write(connection, Batch(jobs=[job], deliveries=[owed(job)]))
    connection.execute("UPDATE deliveries SET value = x'00'")
    with pytest.raises(LedgerUnusable, match=r"acme/00.*not a delivery row"):
        tables.due(connection, "s", 9.0, 10)
