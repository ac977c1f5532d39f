"""The statements on the tables. Each function runs to its end on the connection's thread and leaves no cursor open.

While SQLite works, Python's interpreter lock is free; it is taken back after every step of a statement, and beside a
busy event loop that wait is what costs. So writes put many rows into one statement, and reads gather their rows into
one value, joined by a character that JSON never holds (RFC 7464). What is gathered keeps the order of its subquery.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, TypeVar

from relay.core.delivery import Delivery
from relay.core.job import Cursor, Job, JobKey, decode
from relay.core.record import AlreadyKnown, Backlog, Batch, Positions, Retention
from relay.errors import LedgerError, LedgerUnusable, Undecipherable
from relay.ledger.rows import decode_delivery, delivery_row, event_row, job_row, key_hash

T = TypeVar("T")
Statement = tuple[str, Sequence[Any]]

RECORD_SEPARATOR = b"\x1e"
ROWS_PER_STATEMENT = (1000, 100)  # the rest goes in one more; few different statements, so that they stay prepared
ROWS_SCANNED_MAX = 5000  # what one read looks at before commits get their turn

PUT_JOBS = """
INSERT INTO jobs (tracked_at, account, id, key_hash, state, ended_at, value) VALUES :rows
ON CONFLICT (tracked_at, account, id)
DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at, value = excluded.value
"""
PUT_EVENTS = """
INSERT INTO events (position, tracked_at, account, job_id, type, detected_at) VALUES :rows
ON CONFLICT (tracked_at, account, job_id, type)
DO UPDATE SET position = excluded.position, detected_at = excluded.detected_at
"""
PUT_DELIVERIES = """
INSERT INTO deliveries (tracked_at, account, job_id, sink, state, since, due_at, settled_at, value) VALUES :rows
ON CONFLICT (tracked_at, account, job_id, sink)
DO UPDATE SET state = excluded.state, since = excluded.since, due_at = excluded.due_at,
    settled_at = excluded.settled_at, value = excluded.value
"""
FORGET_JOBS = """
WITH gone (tracked_at, account, id) AS (VALUES :rows)
DELETE FROM jobs WHERE seq IN (
    SELECT j.seq FROM gone AS g
    CROSS JOIN jobs AS j ON j.tracked_at = g.tracked_at AND j.account = g.account AND j.id = g.id
)
"""
PUT_MARKS = "INSERT INTO marks (name, value) VALUES :rows ON CONFLICT (name) DO UPDATE SET value = excluded.value"
REMOVE_MARKS = "DELETE FROM marks WHERE (name) IN (VALUES :rows)"

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
FIND = """
WITH wanted (key_hash, account, id) AS (VALUES :rows)
SELECT CAST(group_concat(value, char(30)) AS BLOB)
FROM wanted AS w CROSS JOIN jobs AS j ON j.key_hash = w.key_hash AND j.account = w.account AND j.id = w.id
"""
DELIVERIES_OF = """
SELECT CAST(group_concat(value, char(30)) AS BLOB) FROM (
    SELECT value FROM deliveries WHERE tracked_at = ? AND account = ? AND job_id = ? ORDER BY sink
)
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
DUE = """
SELECT CAST(group_concat(value, char(30)) AS BLOB) FROM (
    SELECT d.value || char(30) || j.value AS value
    FROM deliveries AS d
    CROSS JOIN jobs AS j ON j.tracked_at = d.tracked_at AND j.account = d.account AND j.id = d.job_id
    WHERE d.sink = ? AND d.state = 'pending' AND d.due_at <= ?
    ORDER BY d.due_at, d.since, d.tracked_at, d.account, d.job_id LIMIT ?
)
"""
NEXT_DUE = "SELECT min(due_at) FROM deliveries WHERE sink = ? AND state = 'pending' AND due_at > ?"
PENDING = "SELECT sink, count(*), min(since) FROM deliveries WHERE state = 'pending' GROUP BY sink"
DEAD = "SELECT sink, count(*) FROM deliveries WHERE state = 'dead' GROUP BY sink"
POSITIONS = "SELECT coalesce(max(position), 0) FROM events"
MARKS = "SELECT name, value FROM marks"
OWNERS_OF_VALUE = """
SELECT account || '/' || id FROM jobs WHERE CAST(value AS BLOB) = ?1
UNION SELECT account || '/' || job_id FROM deliveries WHERE CAST(value AS BLOB) = ?1
"""

ENDED_SCAN_END = """
SELECT ended_at, seq FROM jobs WHERE ended_at < ? AND (ended_at, seq) > (?, ?)
ORDER BY ended_at, seq LIMIT 1 OFFSET ?
"""
FORGET = """
DELETE FROM jobs WHERE seq IN (
    SELECT seq FROM jobs AS j
    WHERE (ended_at, seq) > (:from_end, :from_seq) AND (ended_at, seq) <= (:to_end, :to_seq)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS d
        WHERE d.tracked_at = j.tracked_at AND d.account = j.account AND d.job_id = j.id
        AND (d.state = 'pending' OR j.state <> 'deleted' AND (
            d.settled_at >= :before OR d.state = 'dead' AND d.settled_at >= :dead_before
        ))
    )
    ORDER BY ended_at, seq LIMIT :limit
)
"""


@cache
def _for_rows(sql: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return sql.replace(":rows", ", ".join([row] * rows))


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    start = 0
    for size in ROWS_PER_STATEMENT:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
    if start < len(rows):
        yield rows[start:]


def _statements(sql: str, rows: Iterable[Sequence[Any]]) -> Iterator[Statement]:
    for chunk in _chunks(list(rows)):
        yield _for_rows(sql, len(chunk[0]), len(chunk)), list(chain.from_iterable(chunk))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # SQLite itself has rolled back after some errors
            connection.execute("ROLLBACK")


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """The whole batch or nothing of it: jobs, then deliveries, then what is forgotten, then marks."""
    try:
        statements = list(_changes(batch))
    except (TypeError, ValueError) as error:
        raise LedgerError(f"a value cannot be recorded: {error}") from error
    known = find(connection, batch.unknown)
    if known:
        raise AlreadyKnown(known)
    if len(statements) == 1:  # a transaction of its own, without the steps of BEGIN and COMMIT
        connection.execute(*statements[0])
    elif statements:
        with _transaction(connection):
            for sql, parameters in statements:
                connection.execute(sql, parameters)


def _changes(batch: Batch) -> Iterator[Statement]:
    jobs = sorted(map(job_row, batch.jobs), key=lambda row: row[3])  # neighbours in jobs_by_key share pages
    yield from _statements(PUT_JOBS, jobs)
    yield from _statements(PUT_EVENTS, (event_row(job, event) for job, event in batch.events))
    yield from _statements(PUT_DELIVERIES, map(delivery_row, batch.deliveries))
    yield from _statements(FORGET_JOBS, ((job.tracked_at, job.account, job.id) for job in batch.forgotten))
    yield from _statements(PUT_MARKS, ((name, value) for name, value in batch.marks.items() if value is not None))
    yield from _statements(REMOVE_MARKS, ((name,) for name, value in batch.marks.items() if value is None))


def _gather(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Sequence[bytes]:
    ((values,),) = connection.execute(sql, parameters).fetchall()
    return () if values is None else values.split(RECORD_SEPARATOR)


def _decode(connection: sqlite3.Connection, decipher: Callable[[bytes], T], value: bytes) -> T:
    try:
        return decipher(value)
    except Undecipherable as error:
        owners = [owner for (owner,) in connection.execute(OWNERS_OF_VALUE, (value,)).fetchall()]
        raise LedgerUnusable(f"a row of {', '.join(owners) or 'some job'} cannot be read: {error}") from error


def _jobs(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Sequence[Job]:
    return [_decode(connection, decode, value) for value in _gather(connection, sql, parameters)]


def _deliveries(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Sequence[Delivery]:
    return [_decode(connection, decode_delivery, value) for value in _gather(connection, sql, parameters)]


def live(connection: sqlite3.Connection, after: Job | None, limit: int) -> Sequence[tuple[Job, Sequence[Delivery]]]:
    window = (0 if after is None else _seq(connection, after), limit)
    jobs = _jobs(connection, LIVE, window)
    owed: dict[tuple[float, str, str], list[Delivery]] = {}
    for delivery in _deliveries(connection, LIVE_DELIVERIES, window):
        owed.setdefault((delivery.tracked_at, delivery.account, delivery.job_id), []).append(delivery)
    return [(job, owed.get((job.tracked_at, job.account, job.id), ())) for job in jobs]


def _seq(connection: sqlite3.Connection, job: Job) -> int:
    found = connection.execute(SEQ, (job.tracked_at, job.account, job.id)).fetchall()
    if not found:
        raise LedgerError(f"job {job.account}/{job.id}, after which to go on, is not in the ledger")
    ((seq,),) = found
    return int(seq)


def find(connection: sqlite3.Connection, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
    newest: dict[JobKey, Job] = {}
    for sql, parameters in _statements(FIND, ((key_hash(key), *key) for key in keys)):
        for job in _jobs(connection, sql, parameters):
            known = newest.get(job.key)
            if known is None or known.tracked_at < job.tracked_at:
                newest[job.key] = job
    return newest


def deliveries_of(connection: sqlite3.Connection, job: Job) -> Sequence[Delivery]:
    return _deliveries(connection, DELIVERIES_OF, (job.tracked_at, job.account, job.id))


def scan(
    connection: sqlite3.Connection,
    accounts: Collection[str] | None,
    state: str | None,
    after: Cursor,
    limit: int,
) -> tuple[Sequence[Job], Cursor | None]:
    """What ROWS_SCANNED_MAX rows hold for a page of jobs, and where to scan on; None: nothing is left."""
    start = (after.tracked_at, after.account, after.id)
    row = connection.execute(SCAN_END, (*start, ROWS_SCANNED_MAX - 1)).fetchall()
    end = Cursor(tracked_at=row[0][0], account=row[0][1], id=row[0][2]) if row else None
    stop = (float("-inf"), "", "") if end is None else (end.tracked_at, end.account, end.id)
    conditions, values = _filter(accounts, state)
    return _jobs(connection, SCAN.replace(":filter", conditions), (*start, *stop, *values, limit)), end


def _filter(accounts: Collection[str] | None, state: str | None) -> Statement:
    conditions, values = ["TRUE"], list[str]()
    if accounts is not None:
        conditions.append(f"account IN ({', '.join('?' * len(accounts))})")
        values.extend(accounts)
    if state is not None:
        conditions.append("state = ?")
        values.append(state)
    return " AND ".join(conditions), values


def due(connection: sqlite3.Connection, sink: str, now: float, limit: int) -> Sequence[tuple[Delivery, Job]]:
    values = iter(_gather(connection, DUE, (sink, now, limit)))
    return [
        (_decode(connection, decode_delivery, delivery), _decode(connection, decode, job))
        for delivery, job in zip(values, values, strict=True)
    ]


def next_due(connection: sqlite3.Connection, sink: str, after: float) -> float | None:
    ((due_at,),) = connection.execute(NEXT_DUE, (sink, after)).fetchall()
    return None if due_at is None else float(due_at)


def backlog(connection: sqlite3.Connection) -> Mapping[str, Backlog]:
    dead = dict(connection.execute(DEAD).fetchall())
    backlogs = {
        sink: Backlog(pending=pending, dead=dead.pop(sink, 0), oldest_pending_since=since)
        for sink, pending, since in connection.execute(PENDING).fetchall()
    }
    return backlogs | {sink: Backlog(dead=count) for sink, count in dead.items()}


def marks(connection: sqlite3.Connection) -> Mapping[str, bytes]:
    return dict(connection.execute(MARKS).fetchall())


def positions(connection: sqlite3.Connection) -> Positions:
    ((newest,),) = connection.execute(POSITIONS).fetchall()
    return Positions(newest=newest)


Ended = tuple[float, int]  # a place among the ended jobs: ended_at, seq
FIRST_ENDED: Ended = (float("-inf"), 0)


def forget(connection: sqlite3.Connection, retention: Retention, after: Ended, limit: int) -> tuple[int, Ended | None]:
    """Remove what may go among ROWS_SCANNED_MAX ended jobs; how many went, and where to go on (None: done)."""
    window = (retention.finished_before, *after, ROWS_SCANNED_MAX - 1)
    row = connection.execute(ENDED_SCAN_END, window).fetchall()
    end: Ended | None = (row[0][0], row[0][1]) if row else None
    to_end, to_seq = end or (retention.finished_before, 0)
    names = {
        "before": retention.finished_before,
        "dead_before": retention.dead_before,
        "from_end": after[0],
        "from_seq": after[1],
        "to_end": to_end,
        "to_seq": to_seq,
        "limit": limit,
    }
    return connection.execute(FORGET, names).rowcount, end
