"""How a file gets its tables."""

import sqlite3
from contextlib import closing

import pytest

from relay.core.job import EventType
from relay.core.record import EventFilter, Positions
from relay.errors import LedgerUnusable
from relay.ledger import deliveries, events, schema, writing
from relay.ledger.rows import key_hash


@pytest.fixture
def connection():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        yield opened


def version(connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def tables(connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_an_empty_file_gets_all_tables_and_relays_mark(connection):
    schema.migrate(connection)
    assert tables(connection) == {"jobs", "events", "positions", "deliveries", "marks"}
    assert version(connection) == len(schema.MIGRATIONS)
    assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)


def test_an_older_file_gets_what_it_lacks_and_keeps_its_rows(connection, monkeypatch):
    schema.migrate(connection)
    connection.execute("INSERT INTO marks VALUES ('m', x'01')")
    added = ("ALTER TABLE marks ADD COLUMN note TEXT", "UPDATE marks SET note = 'migrated'")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
    schema.migrate(connection)
    schema.migrate(connection)
    assert connection.execute("SELECT * FROM marks").fetchall() == [("m", b"\x01", "migrated")]
    assert version(connection) == len(schema.MIGRATIONS)


VERSION_1_JOB = (
    b'{"v":1,"account":"acme","id":"1","tracked_at":5.0,"state":"completed","sequence":1,"detected_at":9.0,'
    b'"events":[["zendesk.job.completed",1,9.0,"working",true,null,null]]}'
)
VERSION_1_DELIVERY = b'[1,"acme","1",5.0,"orders",1,9.0,9.0,"pending",0,null,null]'


def test_a_file_of_version_1_keeps_its_jobs_and_deliveries(connection):
    """What is owed stays owed. Its events were not numbered, so that they are not among those that can be read."""
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    row = (5.0, "acme", "1", key_hash("acme", "1"), "completed", 9.0, VERSION_1_JOB)
    connection.execute("INSERT INTO jobs VALUES (1, ?, ?, ?, ?, ?, ?, ?)", row)
    owed = (5.0, "acme", "1", "orders", "pending", 9.0, 9.0, None, VERSION_1_DELIVERY)
    connection.execute("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", owed)
    connection.execute("INSERT INTO marks VALUES ('m', x'01')")
    schema.migrate(connection)
    ((delivery, job),) = deliveries.due(connection, "orders", 9.0, 5)
    assert (delivery.endpoint, delivery.sequence, job.state) == ("orders", 1, "completed")
    assert [(event.type, event.position) for event in job.events] == [(EventType.COMPLETED, 0)]
    assert writing.marks(connection) == {"m": b"\x01"}
    assert events.positions(connection) == Positions()
    assert events.page(connection, EventFilter(), 0, 5).events == []


def test_a_migration_that_fails_leaves_the_file_as_it_was(connection, monkeypatch):
    schema.migrate(connection)
    before = version(connection)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE new (x)", "CREATE TABLE marks (y)")))
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection)
    connection.execute("ROLLBACK")
    assert version(connection) == before
    assert "new" not in tables(connection)


def test_a_newer_file_is_refused_untouched(connection):
    schema.migrate(connection)
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerUnusable, match=r"newer relay \(schema 99.*upgrade relay"):
        schema.migrate(connection)
    assert version(connection) == 99
