"""How a file gets its tables."""

import sqlite3
from contextlib import closing

import pytest

from relay.errors import LedgerUnusable
from relay.ledger import schema


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
    assert tables(connection) == {"jobs", "events", "deliveries", "marks"}
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
