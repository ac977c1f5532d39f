"""Reading deliveries: what an endpoint is owed, one row, and pages of all."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from relay.core.callbacks import CALLBACK
from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Job
from relay.core.record import Backlog, DeliveryFilter
from relay.ledger import statements
from relay.ledger.statements import Statement, all_of, delivery_of, first, gather, gather_pairs, job_of

DELIVERIES_OF = """
SELECT CAST(group_concat(value, char(30)) AS BLOB) FROM (
    SELECT value FROM deliveries WHERE tracked_at = ? AND account = ? AND job_id = ? ORDER BY sink
)
"""
WITH_JOBS = """
SELECT CAST(group_concat(value, char(30)) AS BLOB) FROM (
    SELECT d.value || char(30) || j.value AS value
    FROM deliveries AS d
    CROSS JOIN jobs AS j ON j.tracked_at = d.tracked_at AND j.account = d.account AND j.id = d.job_id
    WHERE :filter
)
"""
DUE = WITH_JOBS.replace(
    ":filter",
    """d.endpoint = ? AND d.state = 'pending' AND d.due_at <= ?
    AND (d.due_at, d.since, d.tracked_at, d.account, d.job_id, d.sink) > (?, ?, ?, ?, ?, ?)
    ORDER BY d.due_at, d.since, d.tracked_at, d.account, d.job_id, d.sink LIMIT ?""",
)
OVERAGED = WITH_JOBS.replace(
    ":filter",
    """d.endpoint = ? AND d.state = 'pending' AND d.since < ?
    ORDER BY d.since, d.tracked_at, d.account, d.job_id, d.sink LIMIT ?""",
)
DELIVERY = WITH_JOBS.replace(":filter", "d.tracked_at = ? AND d.account = ? AND d.job_id = ? AND d.sink = ?")
NEXT_DUE = "SELECT min(due_at) FROM deliveries WHERE endpoint = ? AND state = 'pending' AND due_at > ?"
PENDING = "SELECT endpoint, count(*), min(since) FROM deliveries WHERE state = 'pending' GROUP BY endpoint"
DEAD = "SELECT endpoint, count(*) FROM deliveries WHERE state = 'dead' GROUP BY endpoint"
SCAN_END = """
SELECT tracked_at, account, job_id, sink FROM deliveries
WHERE state = :state AND (tracked_at, account, job_id, sink) < (?, ?, ?, ?)
ORDER BY tracked_at DESC, account DESC, job_id DESC, sink DESC LIMIT 1 OFFSET ?
"""
SCAN = WITH_JOBS.replace(
    ":filter",
    """d.state = :state AND (d.tracked_at, d.account, d.job_id, d.sink) < (?, ?, ?, ?)
    AND (d.tracked_at, d.account, d.job_id, d.sink) >= (?, ?, ?, ?) AND :filter
    ORDER BY d.tracked_at DESC, d.account DESC, d.job_id DESC, d.sink DESC LIMIT ?""",
)
"""`:state` is spelled out, or SQLite could not tell that a partial index holds all rows of that state."""

NEWEST = DeliveryKey(float("inf"), "", "", "")
OLDEST = DeliveryKey(float("-inf"), "", "", "")
FIRST_DUE = (float("-inf"), float("-inf"), *OLDEST)


def deliveries_of(connection: sqlite3.Connection, job: Job) -> Sequence[Delivery]:
    rows = gather(connection, DELIVERIES_OF, (job.tracked_at, job.account, job.id))
    return [delivery_of(connection, row) for row in rows]


def due(
    connection: sqlite3.Connection, endpoint: str, now: float, limit: int, after: Delivery | None = None
) -> Sequence[tuple[Delivery, Job]]:
    place = FIRST_DUE if after is None else (after.due_at, after.since, *after.key)
    return _with_jobs(connection, DUE, (endpoint, now, *place, limit))


def overaged(
    connection: sqlite3.Connection, endpoint: str, owed_before: float, limit: int
) -> Sequence[tuple[Delivery, Job]]:
    return _with_jobs(connection, OVERAGED, (endpoint, owed_before, limit))


def delivery(connection: sqlite3.Connection, key: DeliveryKey) -> tuple[Delivery, Job] | None:
    return next(iter(_with_jobs(connection, DELIVERY, key)), None)


def next_due(connection: sqlite3.Connection, endpoint: str, after: float) -> float | None:
    ((due_at,),) = connection.execute(NEXT_DUE, (endpoint, after)).fetchall()
    return None if due_at is None else float(due_at)


def backlog(connection: sqlite3.Connection) -> Mapping[str, Backlog]:
    dead = dict(connection.execute(DEAD).fetchall())
    backlogs = {
        endpoint: Backlog(pending=pending, dead=dead.pop(endpoint, 0), oldest_pending_since=since)
        for endpoint, pending, since in connection.execute(PENDING).fetchall()
    }
    return backlogs | {endpoint: Backlog(dead=count) for endpoint, count in dead.items()}


def scan(
    connection: sqlite3.Connection, wanted: DeliveryFilter, after: DeliveryKey, limit: int
) -> tuple[Sequence[tuple[Delivery, Job]], DeliveryKey | None]:
    """What ROWS_SCANNED_MAX rows of the state hold for a page, and where to scan on; None: nothing is left."""
    state = f"'{wanted.state.value}'"
    row = first(connection, SCAN_END.replace(":state", state), (*after, statements.ROWS_SCANNED_MAX - 1))
    end = None if row is None else DeliveryKey(*row)
    conditions, values = all_of(_wanted(wanted))
    sql = SCAN.replace(":state", state).replace(":filter", conditions)
    return _with_jobs(connection, sql, (*after, *(end or OLDEST), *values, limit)), end


def _wanted(wanted: DeliveryFilter) -> Iterator[Statement]:
    if wanted.sink == CALLBACK:
        yield "d.sink GLOB ?", [f"{CALLBACK}:*"]
    elif wanted.sink is not None:
        yield "d.sink = ?", [wanted.sink]
    if wanted.since is not None:
        yield "d.since >= ?", [wanted.since]
    if wanted.until is not None:
        yield "d.since < ?", [wanted.until]


def _with_jobs(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[object]
) -> Sequence[tuple[Delivery, Job]]:
    return [
        (delivery_of(connection, delivery), job_of(connection, job))
        for delivery, job in gather_pairs(connection, sql, parameters)
    ]
