"""The tables of the SQLite ledger and how a file comes to have them.

`jobs` is appended to in the order of recording (`seq`), which keeps the pages that a commit touches few; only the index
`jobs_by_key` is written at random places. `ended_at` (rows.ended_at) serves both the live jobs, where it is NULL, and
retention. Values are JSON (core.job_row.encode, rows.encode_delivery); the other columns are there to be searched.

`events` tells in which job's row the event of a position stands; newer progress takes the row of older. `detected_by`
is the latest time of detection up to there, so that it rises with the position and a time finds one. `positions` keeps
what goes with the events of a job that is forgotten, so that no position is given twice.
"""

import sqlite3

from relay.errors import LedgerUnusable
from relay.ledger.faults import DAMAGED

APPLICATION_ID = 0x524C4159  # "RLAY", in the file's header
SQLITE_VERSION_MIN = (3, 35, 0)
TABLES = frozenset({"jobs", "events", "positions", "deliveries", "marks"})

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        """
        CREATE TABLE jobs (
            seq INTEGER PRIMARY KEY,
            tracked_at REAL NOT NULL,
            account TEXT NOT NULL,
            id TEXT NOT NULL,
            key_hash INTEGER NOT NULL,
            state TEXT NOT NULL,
            ended_at REAL,
            value BLOB NOT NULL,
            UNIQUE (tracked_at, account, id)
        )
        """,
        "CREATE INDEX jobs_by_key ON jobs (key_hash)",
        "CREATE INDEX jobs_by_end ON jobs (ended_at)",
        """
        CREATE TABLE deliveries (
            tracked_at REAL NOT NULL,
            account TEXT NOT NULL,
            job_id TEXT NOT NULL,
            sink TEXT NOT NULL,
            state TEXT NOT NULL,
            since REAL NOT NULL,
            due_at REAL NOT NULL,
            settled_at REAL,
            value BLOB NOT NULL,
            PRIMARY KEY (tracked_at, account, job_id, sink),
            FOREIGN KEY (tracked_at, account, job_id) REFERENCES jobs (tracked_at, account, id) ON DELETE CASCADE
        ) WITHOUT ROWID
        """,
        """
        CREATE INDEX deliveries_pending ON deliveries (sink, due_at, since, tracked_at, account, job_id, state)
        WHERE state = 'pending'
        """,
        "CREATE INDEX deliveries_dead ON deliveries (sink, state) WHERE state = 'dead'",
        "CREATE TABLE marks (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    ),
    (
        """
        CREATE TABLE events (
            position INTEGER PRIMARY KEY,
            tracked_at REAL NOT NULL,
            account TEXT NOT NULL,
            job_id TEXT NOT NULL,
            type TEXT NOT NULL,
            detected_at REAL NOT NULL,
            detected_by REAL NOT NULL,
            UNIQUE (tracked_at, account, job_id, type),
            FOREIGN KEY (tracked_at, account, job_id) REFERENCES jobs (tracked_at, account, id) ON DELETE CASCADE
        )
        """,
        "CREATE INDEX events_by_time ON events (detected_by)",
        "CREATE TABLE positions (newest INTEGER NOT NULL, forgotten INTEGER NOT NULL)",
        "INSERT INTO positions VALUES (0, 0)",
        """
        CREATE TRIGGER events_go_with_their_job BEFORE DELETE ON jobs BEGIN
            UPDATE positions SET
                newest = max(newest, gone.position),
                forgotten = CASE old.state WHEN 'deleted' THEN forgotten ELSE max(forgotten, gone.position) END
            FROM (
                SELECT max(position) AS position FROM events
                WHERE tracked_at = old.tracked_at AND account = old.account AND job_id = old.id
            ) AS gone
            WHERE gone.position IS NOT NULL;
        END
        """,
        "ALTER TABLE deliveries ADD COLUMN endpoint TEXT NOT NULL DEFAULT ''",
        "UPDATE deliveries SET endpoint = sink",  # of version 1, which knew no callbacks
        "DROP INDEX deliveries_pending",
        """
        CREATE INDEX deliveries_pending
        ON deliveries (endpoint, due_at, since, tracked_at, account, job_id, sink, state) WHERE state = 'pending'
        """,
        "CREATE INDEX deliveries_by_age ON deliveries (endpoint, since) WHERE state = 'pending'",
        """
        CREATE INDEX deliveries_pending_by_key
        ON deliveries (tracked_at, account, job_id, sink, state) WHERE state = 'pending'
        """,
        "DROP INDEX deliveries_dead",
        "CREATE INDEX deliveries_dead ON deliveries (endpoint, state) WHERE state = 'dead'",
        """
        CREATE INDEX deliveries_dead_by_key
        ON deliveries (tracked_at, account, job_id, sink, state) WHERE state = 'dead'
        """,
    ),
)
"""One entry per schema version, only ever appended to; `PRAGMA user_version` tells how many of them a file has had."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema, in one transaction. Writes even without need, as a proof that it can.

    Raises LedgerUnusable: a newer relay has been here, or tables are missing.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    newest = len(MIGRATIONS)
    if version > newest:
        raise LedgerUnusable(
            f"it was written by a newer relay (schema {version}, this relay knows {newest}): upgrade relay"
        )
    connection.execute("BEGIN IMMEDIATE")
    for migration in MIGRATIONS[version:]:
        for statement in migration:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {newest}")
    connection.execute("COMMIT")
    missing = TABLES.difference(name for (name,) in connection.execute("SELECT name FROM sqlite_schema"))
    if missing:
        raise LedgerUnusable(f"{DAMAGED} (no table {', '.join(sorted(missing))})")
