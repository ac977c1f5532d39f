"""Reading events in the order of their positions. They stand in their jobs' rows; the table tells which is where."""

import sqlite3
from collections.abc import Iterator

from relay.core.job import Event, Job
from relay.core.record import EventFilter, EventPage, Positions
from relay.ledger import statements
from relay.ledger.statements import Statement, all_of, first, gather_pairs, job_of, one_of

POSITIONS = """
SELECT max(newest, coalesce((SELECT max(position) FROM events), 0)), forgotten FROM positions
"""
SCAN_END = "SELECT position FROM events WHERE position > ? ORDER BY position LIMIT 1 OFFSET ?"
SCAN = """
SELECT CAST(group_concat(value, char(30)) AS BLOB) FROM (
    SELECT e.position || char(30) || j.value AS value
    FROM events AS e
    CROSS JOIN jobs AS j ON j.tracked_at = e.tracked_at AND j.account = e.account AND j.id = e.job_id
    WHERE e.position > ? AND e.position <= ? AND j.state <> 'deleted' AND :filter
    ORDER BY e.position LIMIT ?
)
"""
POSITION_BEFORE = """
SELECT position FROM events WHERE detected_by < ? ORDER BY detected_by DESC, position DESC LIMIT 1
"""


def positions(connection: sqlite3.Connection) -> Positions:
    ((newest, forgotten),) = connection.execute(POSITIONS).fetchall()
    return Positions(newest=newest, forgotten=forgotten)


def position_before(connection: sqlite3.Connection, moment: float) -> int:
    found = first(connection, POSITION_BEFORE, (moment,))
    return max(0 if found is None else int(found[0]), positions(connection).forgotten)


def page(connection: sqlite3.Connection, wanted: EventFilter, after: int, limit: int) -> EventPage:
    """What ROWS_SCANNED_MAX rows hold for the page."""
    known = positions(connection)
    start = max(after, known.forgotten)
    row = first(connection, SCAN_END, (start, statements.ROWS_SCANNED_MAX - 1))
    end = max(start, known.newest) if row is None else int(row[0])
    conditions, values = all_of(_wanted(wanted))
    rows = gather_pairs(connection, SCAN.replace(":filter", conditions), (start, end, *values, limit))
    found = [(job_of(connection, job), int(position)) for position, job in rows]
    reached = found[-1][1] if len(found) == limit else end
    return EventPage(
        events=[(job, event) for job, position in found if (event := _event_at(job, position)) is not None],
        reached=reached,
        more=first(connection, SCAN_END, (reached, 0)) is not None,
    )


def _wanted(wanted: EventFilter) -> Iterator[Statement]:
    if wanted.accounts is not None:
        yield one_of("e.account", wanted.accounts)
    if wanted.job is not None:
        yield "e.job_id = ?", [wanted.job]
    if wanted.types is not None:
        yield one_of("e.type", wanted.types)
    if wanted.since is not None:
        yield "e.detected_at >= ?", [wanted.since]


def _event_at(job: Job, position: int) -> Event | None:
    return next((event for event in job.events if event.position == position), None)
