"""An image's own statements. See ledger.statements for how they are run.

The topic holds the newest row of each key only, so a delivery may be read long before its job, which was written again
later. So an image is written without foreign keys, and what belongs together is put in order where reading ends.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import itemgetter

from relay.core.delivery import DeliveryKey
from relay.core.job import Incarnation
from relay.core.record import AlreadyKnown, Batch, Positions
from relay.errors import LedgerError
from relay.ledger.events import positions
from relay.ledger.jobs import find
from relay.ledger.kafka.reading import Read
from relay.ledger.kafka.records import Changes
from relay.ledger.kafka.rows import JobRow
from relay.ledger.statements import Statement, first, transaction, with_rows
from relay.ledger.writing import DETECTED_BY, PUT_DELIVERIES, PUT_JOBS, PUT_MARKS, REMOVE_MARKS

UNSETTLED = "image/unsettled"
"""A mark that is there while something may be out of order: a delivery without its job, or times that do not rise."""

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
KEY_HASH = itemgetter(3)  # of a job's columns; neighbours in jobs_by_key share pages
PUT_POSITIONS = "UPDATE positions SET newest = ?, forgotten = ?"

MISSING = """
WITH owner (tracked_at, account, id) AS (VALUES :rows)
SELECT 1 FROM owner AS o WHERE NOT EXISTS (
    SELECT 1 FROM jobs AS j WHERE j.tracked_at = o.tracked_at AND j.account = o.account AND j.id = o.id
) LIMIT 1
"""
NEWEST = "SELECT coalesce(max(position), 0) FROM events"
NEW_POSITIONS = """
WITH known (position) AS (VALUES :rows)
SELECT 1 FROM known AS k WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.position = k.position) LIMIT 1
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
    owners = {*(delivery.incarnation for delivery in batch.deliveries), *(job.incarnation for job, _ in batch.events)}
    if _missing(connection, owners.difference(job.incarnation for job in batch.jobs)):
        raise LedgerError("a delivery or an event belongs to a job that the ledger does not hold")
    known = find(connection, batch.unknown)
    if known:
        raise AlreadyKnown(known)


def in_order(connection: sqlite3.Connection, read: Read) -> bool:
    """Whether everything comes after what it belongs to, and each new event after all former ones."""
    owners = {tuple(columns[:3]) for columns in read.deliveries}
    if _missing(connection, owners.difference(tuple(job.columns[:3]) for job in read.jobs)):
        return False
    ((newest,),) = connection.execute(NEWEST).fetchall()
    former = [(event.position,) for job in read.jobs for event in job.events if event.position < newest]
    return not any(first(connection, sql, values) for sql, values in with_rows(NEW_POSITIONS, former))


def _missing(connection: sqlite3.Connection, owners: AbstractSet[Incarnation]) -> bool:
    """Whether any of these jobs is nowhere."""
    return any(first(connection, sql, values) for sql, values in with_rows(MISSING, owners))


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
        gone_jobs=set(gone),
        gone_deliveries=deliveries,
        positions=Positions(newest=newest, forgotten=forgotten),
    )


def write(connection: sqlite3.Connection, read: Read, marks: Mapping[str, bytes | None], *, settled: bool) -> bool:
    """All of it or nothing. `marks`: the image's own. `settled`: whether nothing is out of order; so is the answer."""
    with transaction(connection):
        settled = settled and in_order(connection, read)
        unsettled = {} if settled else {UNSETTLED: b"1"}
        for sql, values in _statements(connection, read, {**read.marks, **marks, **unsettled}):
            connection.execute(sql, values)
    return settled


def settle(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        for sql in SETTLE:
            connection.execute(sql)
        for sql, values in with_rows(REMOVE_MARKS, [(UNSETTLED,)]):
            connection.execute(sql, values)


def _statements(connection: sqlite3.Connection, read: Read, marks: Mapping[str, bytes | None]) -> Iterator[Statement]:
    yield from with_rows(REMOVE_JOBS, read.gone_jobs)
    yield from with_rows(REMOVE_EVENTS, read.gone_jobs)
    yield from with_rows(REMOVE_DELIVERIES, read.gone_deliveries)
    yield from with_rows(PUT_JOBS, sorted((job.columns for job in read.jobs), key=KEY_HASH))
    yield from with_rows(PUT_EVENTS, _event_rows(connection, read.jobs))
    yield from with_rows(PUT_DELIVERIES, read.deliveries)
    if read.positions is not None:
        yield PUT_POSITIONS, (read.positions.newest, read.positions.forgotten)
    yield from with_rows(PUT_MARKS, ((name, value) for name, value in marks.items() if value is not None))
    yield from with_rows(REMOVE_MARKS, ((name,) for name, value in marks.items() if value is None))


def _event_rows(connection: sqlite3.Connection, jobs: Iterable[JobRow]) -> Iterator[Sequence[object]]:
    """In the order of their positions, each with `detected_by`."""
    events = sorted(event for job in jobs for event in job.events)
    if not events:
        return
    newest = connection.execute(DETECTED_BY).fetchall()
    detected_by = newest[0][0] if newest else float("-inf")
    for event in events:
        detected_by = max(detected_by, event.detected_at)
        yield (*event, detected_by)
