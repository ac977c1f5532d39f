"""Forgetting: what has been settled for long enough goes, with all that belongs to it."""

import sqlite3
from collections.abc import Mapping, Sequence

from relay.core.record import Retention
from relay.ledger import statements
from relay.ledger.statements import first

SCAN_END = """
SELECT ended_at, seq FROM jobs WHERE ended_at < ? AND (ended_at, seq) > (?, ?)
ORDER BY ended_at, seq LIMIT 1 OFFSET ?
"""
MAY_GO = """
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
"""
FORGET = f"DELETE FROM jobs WHERE seq IN ({MAY_GO})"  # noqa: S608 - both are constants
CHOOSE = f"SELECT tracked_at, account, id FROM jobs WHERE seq IN ({MAY_GO})"  # noqa: S608

Ended = tuple[float, int]  # a place among the ended jobs: ended_at, seq
FIRST_ENDED: Ended = (float("-inf"), 0)


def forget(connection: sqlite3.Connection, retention: Retention, after: Ended, limit: int) -> tuple[int, Ended | None]:
    """Remove what may go among ROWS_SCANNED_MAX ended jobs; how many went, and where to go on (None: done)."""
    window, end = _window(connection, retention, after, limit)
    return connection.execute(FORGET, window).rowcount, end


def choose(
    connection: sqlite3.Connection, retention: Retention, after: Ended, limit: int
) -> tuple[Sequence[tuple[float, str, str]], Ended | None]:
    """What `forget` would remove, as (tracked_at, account, id), and where to go on."""
    window, end = _window(connection, retention, after, limit)
    return connection.execute(CHOOSE, window).fetchall(), end


def _window(
    connection: sqlite3.Connection, retention: Retention, after: Ended, limit: int
) -> tuple[Mapping[str, float], Ended | None]:
    row = first(connection, SCAN_END, (retention.finished_before, *after, statements.ROWS_SCANNED_MAX - 1))
    end: Ended | None = None if row is None else (row[0], row[1])
    to_end, to_seq = end or (retention.finished_before, 0)
    window = {
        "before": retention.finished_before,
        "dead_before": retention.dead_before,
        "from_end": after[0],
        "from_seq": after[1],
        "to_end": to_end,
        "to_seq": to_seq,
        "limit": limit,
    }
    return window, end
