"""Reading jobs: those that live, those of a key, and pages of all."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence

from relay.core.delivery import Delivery
from relay.core.job import Cursor, Job, JobKey
from relay.errors import LedgerError
from relay.ledger import statements
from relay.ledger.rows import key_hash
from relay.ledger.statements import Statement, all_of, delivery_of, first, gather, job_of, one_of, with_rows

SEQ = "SELECT seq FROM jobs WHERE tracked_at = ? AND account = ? AND id = ?"
LIVE = """
SELECT CAST(group_concat(value, char(30)) AS BLOB) FROM (
    SELECT value FROM jobs WHERE ended_at IS NULL AND seq > ? ORDER BY seq LIMIT ?
)
"""
LIVE_DELIVERIES = """
SELECT CAST(group_concat(d.value, char(30)) AS BLOB) FROM (
    SELECT tracked_at, account, id FROM jobs WHERE ended_at IS NULL AND seq > ? ORDER BY seq LIMIT ?
) AS page
JOIN deliveries AS d ON d.tracked_at = page.tracked_at AND d.account = page.account AND d.job_id = page.id
"""
LIVE_ACCOUNTS = "SELECT account, seq FROM jobs WHERE ended_at IS NULL AND seq > ? ORDER BY seq LIMIT ?"
FIND = """
WITH wanted (key_hash, account, id) AS (VALUES :rows)
SELECT CAST(group_concat(value, char(30)) AS BLOB)
FROM wanted AS w CROSS JOIN jobs AS j ON j.key_hash = w.key_hash AND j.account = w.account AND j.id = w.id
"""
SCAN_END = """
SELECT tracked_at, account, id FROM jobs WHERE (tracked_at, account, id) < (?, ?, ?)
ORDER BY tracked_at DESC, account DESC, id DESC LIMIT 1 OFFSET ?
"""
SCAN = """
SELECT CAST(group_concat(value, char(30)) AS BLOB) FROM (
    SELECT value FROM jobs AS j
    WHERE (tracked_at, account, id) < (?, ?, ?) AND (tracked_at, account, id) >= (?, ?, ?)
    AND state <> 'deleted' AND :filter
    AND NOT EXISTS (
        SELECT 1 FROM jobs AS newer
        WHERE newer.key_hash = j.key_hash AND newer.account = j.account AND newer.id = j.id
        AND newer.tracked_at > j.tracked_at
    )
    ORDER BY tracked_at DESC, account DESC, id DESC LIMIT ?
)
"""
NEWEST = Cursor(tracked_at=float("inf"), account="", id="")


def live(connection: sqlite3.Connection, after: Job | None, limit: int) -> Sequence[tuple[Job, Sequence[Delivery]]]:
    window = (0 if after is None else _seq(connection, after), limit)
    jobs = [job_of(connection, row) for row in gather(connection, LIVE, window)]
    owed: dict[tuple[float, str, str], list[Delivery]] = {}
    for row in gather(connection, LIVE_DELIVERIES, window):
        delivery = delivery_of(connection, row)
        owed.setdefault((delivery.tracked_at, delivery.account, delivery.job_id), []).append(delivery)
    return [(job, owed.get((job.tracked_at, job.account, job.id), ())) for job in jobs]


def live_accounts(connection: sqlite3.Connection, after: int, limit: int) -> Sequence[tuple[str, int]]:
    """A page of the accounts of all jobs that have not ended: one for each job, with the place to go on after."""
    return connection.execute(LIVE_ACCOUNTS, (after, limit)).fetchall()


def _seq(connection: sqlite3.Connection, job: Job) -> int:
    found = first(connection, SEQ, (job.tracked_at, job.account, job.id))
    if found is None:
        raise LedgerError(f"job {job.account}/{job.id}, after which to go on, is not in the ledger")
    return int(found[0])


def find(connection: sqlite3.Connection, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
    newest: dict[JobKey, Job] = {}
    for sql, parameters in with_rows(FIND, ((key_hash(*key), *key) for key in keys)):
        for row in gather(connection, sql, parameters):
            job = job_of(connection, row)
            known = newest.get(job.key)
            if known is None or known.tracked_at < job.tracked_at:
                newest[job.key] = job
    return newest


def scan(
    connection: sqlite3.Connection,
    accounts: Collection[str] | None,
    state: str | None,
    after: Cursor,
    limit: int,
) -> tuple[Sequence[Job], Cursor | None]:
    """What ROWS_SCANNED_MAX rows hold for a page of jobs, and where to scan on; None: nothing is left."""
    start = (after.tracked_at, after.account, after.id)
    row = first(connection, SCAN_END, (*start, statements.ROWS_SCANNED_MAX - 1))
    stop = (float("-inf"), "", "") if row is None else row
    conditions, values = all_of(_wanted(accounts, state))
    rows = gather(connection, SCAN.replace(":filter", conditions), (*start, *stop, *values, limit))
    end = None if row is None else Cursor(tracked_at=row[0], account=row[1], id=row[2])
    return [job_of(connection, row) for row in rows], end


def _wanted(accounts: Collection[str] | None, state: str | None) -> Iterator[Statement]:
    if accounts is not None:
        yield one_of("account", accounts)
    if state is not None:
        yield "state = ?", [state]
