"""An image's own statements. See ledger.statements for how they are run.

The topic holds the newest row of each key only, so a delivery may be read long before its job, which was written again
later. So an image is written without foreign keys, and what belongs together is put in order where reading ends.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from relay.core.delivery import DeliveryKey
from relay.core.job import Event, Job
from relay.core.record import AlreadyKnown, Batch, Positions
from relay.errors import LedgerError
from relay.ledger.events import positions
from relay.ledger.jobs import find
from relay.ledger.kafka.records import Changes, Incarnation, incarnation_of
from relay.ledger.rows import delivery_row, event_rows, job_row
from relay.ledger.statements import Statement, first, transaction, with_rows
from relay.ledger.writing import DETECTED_BY, PUT_DELIVERIES, PUT_JOBS, PUT_MARKS, REMOVE_MARKS

PREPARE = ("PRAGMA foreign_keys = OFF", "PRAGMA synchronous = NORMAL")
"""Loss of power may cost the newest rows, which are read again, but does not damage the file: it is in WAL mode."""

REMOVE_JOBS = """
WITH gone (tracked_at, account, id) AS (VALUES :rows)
DELETE FROM jobs WHERE seq IN (
    SELECT j.seq FROM gone AS g
    CROSS JOIN jobs AS j ON j.tracked_at = g.tracked_at AND j.account = g.account AND j.id = g.id
)
"""
REMOVE_EVENTS = """
WITH gone (tracked_at, account, id) AS (VALUES :rows)
DELETE FROM events WHERE position IN (
    SELECT e.position FROM gone AS g
    CROSS JOIN events AS e ON e.tracked_at = g.tracked_at AND e.account = g.account AND e.job_id = g.id
)
"""
REMOVE_DELIVERIES = "DELETE FROM deliveries WHERE (tracked_at, account, job_id, sink) IN (VALUES :rows)"
# An event that is there already keeps what it was recorded with.
PUT_EVENTS = """
INSERT INTO events (position, tracked_at, account, job_id, type, detected_at, detected_by) VALUES :rows
ON CONFLICT (position) DO NOTHING
ON CONFLICT (tracked_at, account, job_id, type) DO UPDATE
SET position = excluded.position, detected_at = excluded.detected_at, detected_by = excluded.detected_by
"""
PUT_POSITIONS = "UPDATE positions SET newest = ?, forgotten = ?"

MISSING = """
WITH owner (tracked_at, account, id) AS (VALUES :rows)
SELECT 1 FROM owner AS o WHERE NOT EXISTS (
    SELECT 1 FROM jobs AS j WHERE j.tracked_at = o.tracked_at AND j.account = o.account AND j.id = o.id
) LIMIT 1
"""
DELIVERIES_OF = """
WITH gone (tracked_at, account, id) AS (VALUES :rows)
SELECT d.tracked_at, d.account, d.job_id, d.sink FROM gone AS g
CROSS JOIN deliveries AS d ON d.tracked_at = g.tracked_at AND d.account = g.account AND d.job_id = g.id
"""
POSITIONS_OF = """
WITH gone (tracked_at, account, id) AS (VALUES :rows)
SELECT coalesce(max(e.position), 0), coalesce(max(iif(j.state = 'deleted', 0, e.position)), 0) FROM gone AS g
CROSS JOIN jobs AS j ON j.tracked_at = g.tracked_at AND j.account = g.account AND j.id = g.id
CROSS JOIN events AS e ON e.tracked_at = g.tracked_at AND e.account = g.account AND e.job_id = g.id
"""

SETTLE = (
    """
    DELETE FROM deliveries WHERE NOT EXISTS (
        SELECT 1 FROM jobs AS j
        WHERE j.tracked_at = deliveries.tracked_at AND j.account = deliveries.account AND j.id = deliveries.job_id
    )
    """,
    """
    UPDATE events SET detected_by = risen.detected_by
    FROM (SELECT position, max(detected_at) OVER (ORDER BY position) AS detected_by FROM events) AS risen
    WHERE risen.position = events.position AND risen.detected_by <> events.detected_by
    """,
)


def prepare(connection: sqlite3.Connection) -> None:
    for setting in PREPARE:
        connection.execute(setting)


def check(connection: sqlite3.Connection, batch: Batch) -> None:
    """Raises AlreadyKnown, or LedgerError: a delivery or an event belongs to a job that is nowhere."""
    owners = {
        *(Incarnation(delivery.tracked_at, delivery.account, delivery.job_id) for delivery in batch.deliveries),
        *(incarnation_of(job) for job, _ in batch.events),
    }
    owners.difference_update(map(incarnation_of, batch.jobs))
    if any(first(connection, sql, values) for sql, values in with_rows(MISSING, owners)):
        raise LedgerError("a delivery or an event belongs to a job that the ledger does not hold")
    known = find(connection, batch.unknown)
    if known:
        raise AlreadyKnown(known)


def removal(connection: sqlite3.Connection, gone: Sequence[tuple[float, str, str]]) -> Changes:
    """What becomes of the rows if these incarnations go, with all that belongs to them."""
    known = positions(connection)
    newest, forgotten = known.newest, known.forgotten
    deliveries: set[DeliveryKey] = set()
    for sql, values in with_rows(DELIVERIES_OF, gone):
        deliveries.update(DeliveryKey(*row) for row in connection.execute(sql, values).fetchall())
    for sql, values in with_rows(POSITIONS_OF, gone):
        ((of_all, of_those_kept),) = connection.execute(sql, values).fetchall()
        newest, forgotten = max(newest, of_all), max(forgotten, of_those_kept)
    return Changes(
        gone_jobs={Incarnation(*row) for row in gone},
        gone_deliveries=deliveries,
        positions=Positions(newest=newest, forgotten=forgotten),
    )


def write(connection: sqlite3.Connection, changes: Changes, marks: Mapping[str, bytes | None]) -> None:
    """All of it or nothing. `marks`: the image's own."""
    with transaction(connection):
        for sql, values in _statements(connection, changes, {**changes.marks, **marks}):
            connection.execute(sql, values)


def settle(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        for sql in SETTLE:
            connection.execute(sql)


def _statements(
    connection: sqlite3.Connection, changes: Changes, marks: Mapping[str, bytes | None]
) -> Iterator[Statement]:
    yield from with_rows(REMOVE_JOBS, changes.gone_jobs)
    yield from with_rows(REMOVE_EVENTS, changes.gone_jobs)
    yield from with_rows(REMOVE_DELIVERIES, changes.gone_deliveries)
    yield from with_rows(PUT_JOBS, sorted(map(job_row, changes.jobs), key=lambda row: row[3]))
    yield from with_rows(PUT_EVENTS, _event_rows(connection, changes.jobs))
    yield from with_rows(PUT_DELIVERIES, map(delivery_row, changes.deliveries))
    if changes.positions is not None:
        yield PUT_POSITIONS, (changes.positions.newest, changes.positions.forgotten)
    yield from with_rows(PUT_MARKS, ((name, value) for name, value in marks.items() if value is not None))
    yield from with_rows(REMOVE_MARKS, ((name,) for name, value in marks.items() if value is None))


def _event_rows(connection: sqlite3.Connection, jobs: Sequence[Job]) -> Iterator[Sequence[object]]:
    """All events of the jobs in the order of their positions. What was not recorded as an event has none."""
    events = [(job, event) for job in jobs for event in job.events if event.position]
    newest = connection.execute(DETECTED_BY).fetchall()
    return event_rows(sorted(events, key=_position), newest[0][0] if newest else float("-inf"))


def _position(recorded: tuple[Job, Event]) -> int:
    return recorded[1].position
