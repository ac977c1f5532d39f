"""What lies at the path decides: a ledger is opened, anything else is refused and left as it is."""

import sqlite3
from contextlib import closing

import pytest

from relay.errors import ConfigError, LedgerUnusable
from relay.ledger import file
from relay.ledger.file import connect, inspect
from relay.ledger.schema import APPLICATION_ID
from relay.ledger.sqlite import SqliteLedger


def open_database(path) -> sqlite3.Connection:
    inspect(path)
    return connect(path)


def make_ledger(path) -> None:
    open_database(path).close()


async def refusal(path) -> str:
    ledger = SqliteLedger(path)
    with pytest.raises(LedgerUnusable) as refused:
        await ledger.open()
    assert isinstance(refused.value, ConfigError)
    assert str(path) in str(refused.value)
    await ledger.close()
    return str(refused.value)


@pytest.mark.parametrize("content", [None, b""])
def test_nothing_or_an_empty_file_becomes_a_ledger(tmp_path, content):
    path = tmp_path / "relay?mode=ro#%41 .db"
    if content is not None:
        path.write_bytes(content)
    with closing(open_database(path)) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_ledger_is_for_its_owner_only(tmp_path):
    """It may hold tokens."""
    make_ledger(tmp_path / "relay.db")
    assert (tmp_path / "relay.db").stat().st_mode & 0o777 == 0o600


def test_the_file_is_as_durable_as_promised(tmp_path):
    with closing(open_database(tmp_path / "relay.db")) as connection:
        settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]  # 2: FULL


@pytest.mark.parametrize(
    "content",
    [b"x", b"orders: 12\n" * 500, b"SQLite format 3\x00", b"\x00" * 4096, b"SQLite format 3\x00" + b"\x00" * 4080],
)
async def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "relay.db"
    path.write_bytes(content)
    assert "not a ledger" in await refusal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
async def test_another_programs_database_is_refused_and_left_alone(tmp_path, journal):
    """Also one that SQLite itself would recover, and so change, when it opens it."""
    path = tmp_path / "relay.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA journal_mode = {journal}")
        other.execute("CREATE TABLE jobs (x)")
        other.commit()
        other.execute("INSERT INTO jobs VALUES (1)")
        before = {found.name: found.read_bytes() for found in tmp_path.iterdir()}
        assert "not a ledger" in await refusal(path)
        assert {name: (tmp_path / name).read_bytes() for name in before} == before


async def test_a_damaged_ledger_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "relay.db"
    make_ledger(path)
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    assert "damaged" in await refusal(path)
    assert path.read_bytes() == content


async def test_a_ledger_without_its_tables_is_refused(tmp_path):
    path = tmp_path / "relay.db"
    make_ledger(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE marks")
    assert "damaged" in await refusal(path)


async def test_a_ledger_cut_short_is_refused(tmp_path):
    path = tmp_path / "relay.db"
    make_ledger(path)
    path.write_bytes(path.read_bytes()[:5000])
    assert "damaged" in await refusal(path)


async def test_a_newer_relays_ledger_is_refused(tmp_path):
    path = tmp_path / "relay.db"
    make_ledger(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "upgrade relay" in await refusal(path)


async def test_damage_in_a_file_too_big_to_check_is_told_when_it_is_met(tmp_path, monkeypatch):
    path = tmp_path / "relay.db"
    make_ledger(path)
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'jobs_by_end'").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    monkeypatch.setattr(file, "QUICK_CHECK_BYTES_MAX", 0)
    ledger = SqliteLedger(path)
    await ledger.open()
    with pytest.raises(LedgerUnusable, match=r"relay\.db: it is damaged.*\.recover"):
        await ledger.live(None, 10)
    await ledger.close()


async def test_a_folder_or_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert "it is a folder" in await refusal(tmp_path / "folder")
    assert "not a folder" in await refusal(tmp_path / "file" / "relay.db")
    assert "its folder does not exist: create it" in await refusal(tmp_path / "missing" / "relay.db")
    assert not (tmp_path / "missing").exists()


async def test_an_old_sqlite_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    assert "or newer" in await refusal(tmp_path / "relay.db")


async def test_a_second_ledger_on_the_file_is_refused_until_the_first_is_closed(tmp_path):
    path = tmp_path / "relay.db"
    first = SqliteLedger(path)
    await first.open()
    assert "another relay has it open" in await refusal(path)
    await first.close()
    second = SqliteLedger(path)
    await second.open()
    await second.close()


def test_the_header_tells_whose_file_it_is_before_anything_else_is_written(tmp_path):
    """A process that dies while its first ledger is made must not take it for a foreign file later."""
    connection = open_database(tmp_path / "relay.db")
    header = (tmp_path / "relay.db").read_bytes()[:100]
    connection.close()
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
