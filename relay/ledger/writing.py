"""A batch as statements."""

import sqlite3
from collections.abc import Iterator, Mapping

from relay.core.job_row import encode
from relay.core.record import AlreadyKnown, Batch
from relay.errors import LedgerError
from relay.ledger.jobs import find
from relay.ledger.rows import delivery_row, encode_delivery, event_rows, job_row
from relay.ledger.statements import Statement, transaction, with_rows

PUT_JOBS = """
INSERT INTO jobs (tracked_at, account, id, key_hash, state, ended_at, value) VALUES :rows
ON CONFLICT (tracked_at, account, id)
DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at, value = excluded.value
"""
PUT_EVENTS = """
INSERT INTO events (position, tracked_at, account, job_id, type, detected_at, detected_by) VALUES :rows
ON CONFLICT (tracked_at, account, job_id, type) DO UPDATE
SET position = excluded.position, detected_at = excluded.detected_at, detected_by = excluded.detected_by
"""
DETECTED_BY = "SELECT detected_by FROM events WHERE position = (SELECT max(position) FROM events)"
PUT_DELIVERIES = """
INSERT INTO deliveries (tracked_at, account, job_id, sink, endpoint, state, since, due_at, settled_at, value)
VALUES :rows
ON CONFLICT (tracked_at, account, job_id, sink)
DO UPDATE SET state = excluded.state, since = excluded.since, due_at = excluded.due_at,
    settled_at = excluded.settled_at, value = excluded.value
"""
PUT_MARKS = "INSERT INTO marks (name, value) VALUES :rows ON CONFLICT (name) DO UPDATE SET value = excluded.value"
REMOVE_MARKS = "DELETE FROM marks WHERE (name) IN (VALUES :rows)"
MARKS = "SELECT name, value FROM marks"


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """The whole batch or nothing of it: jobs, then what belongs to them, then marks."""
    try:
        changes = list(_changes(connection, batch))
    except (TypeError, ValueError) as error:
        raise LedgerError(f"a value cannot be recorded: {error}") from error
    known = find(connection, batch.unknown)
    if known:
        raise AlreadyKnown(known)
    if len(changes) == 1:  # a transaction of its own, without the steps of BEGIN and COMMIT
        connection.execute(*changes[0])
    elif changes:
        with transaction(connection):
            for sql, parameters in changes:
                connection.execute(sql, parameters)


def _changes(connection: sqlite3.Connection, batch: Batch) -> Iterator[Statement]:
    rows = [job_row(job, encode(job)) for job in batch.jobs]
    jobs = sorted(rows, key=lambda row: row[3])  # neighbours in jobs_by_key share pages
    yield from with_rows(PUT_JOBS, jobs)
    if batch.events:
        yield from with_rows(PUT_EVENTS, event_rows(batch.events, _detected_by(connection)))
    yield from with_rows(PUT_DELIVERIES, (delivery_row(one, encode_delivery(one)) for one in batch.deliveries))
    yield from with_rows(PUT_MARKS, ((name, value) for name, value in batch.marks.items() if value is not None))
    yield from with_rows(REMOVE_MARKS, ((name,) for name, value in batch.marks.items() if value is None))


def _detected_by(connection: sqlite3.Connection) -> float:
    newest = connection.execute(DETECTED_BY).fetchall()
    return newest[0][0] if newest else float("-inf")


def marks(connection: sqlite3.Connection) -> Mapping[str, bytes]:
    return dict(connection.execute(MARKS).fetchall())
