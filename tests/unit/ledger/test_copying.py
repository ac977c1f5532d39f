"""A copy of the ledger at work holds all that was committed before it was complete, and holds nobody up."""

import asyncio
import os
import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from relay.core.job import Job
from relay.core.record import Batch
from relay.errors import LedgerError, LedgerUnusable, Unavailable
from relay.ledger import copying
from relay.ledger.copying import Copies, at_rest, copy_of, verify
from relay.ledger.file import LedgerInUse
from relay.ledger.sqlite import SqliteLedger

PADDING = bytes(2_000)


@pytest.fixture
async def ledger(tmp_path):
    opened = SqliteLedger(tmp_path / "relay.db")
    await opened.open()
    await opened.commit(Batch(marks={f"m{number}": PADDING for number in range(2_000)}))
    yield opened
    await opened.close()


@pytest.fixture
def copies(ledger):
    return Copies(ledger)


def job(number):
    return Job(account="acme", id=f"V3-{number}", tracked_at=float(number))


def marks_in(path):
    with at_rest(path) as connection:
        return dict(connection.execute("SELECT name, value FROM marks").fetchall())


def ids_in(path):
    with at_rest(path) as connection:
        return {name for (name,) in connection.execute("SELECT id FROM jobs").fetchall()}


async def test_what_is_committed_while_it_is_copied_is_in_the_copy(ledger, copies, tmp_path, monkeypatch):
    """Also to pages that were copied before."""
    monkeypatch.setattr(copying, "PAGES_PER_STEP", 2)
    task, committed = asyncio.create_task(kept(copies, tmp_path / "kept.db")), 0
    while not task.done():
        await ledger.commit(Batch(jobs=[job(committed)], marks={f"m{committed}": b"new"}))
        committed += 1
    assert committed > 5, "it was over too soon to tell"
    await ledger.close()
    verify(tmp_path / "kept.db")
    found = ids_in(tmp_path / "kept.db")
    assert found == {f"V3-{number}" for number in range(len(found))}
    assert committed - 5 <= len(found) <= committed
    marks = marks_in(tmp_path / "kept.db")
    assert [marks[f"m{number}"] for number in range(2_000)] == [b"new"] * len(found) + [PADDING] * (2_000 - len(found))


async def begun(ledger):
    """Until the copy is being made."""
    while not copy_of(ledger).exists():  # noqa: ASYNC110 - a file sets no event
        await asyncio.sleep(0)


async def kept(copies, place):
    async with copies.copied() as path:
        os.link(path, place)


async def test_a_copy_is_for_its_owner_only_and_goes_again(ledger, copies, tmp_path):
    async with copies.copied() as path:
        assert path.stat().st_mode & 0o777 == 0o600
        verify(path)
    assert not [found.name for found in tmp_path.iterdir() if "copy" in found.name]


async def test_one_copy_at_a_time(ledger, copies):
    async with copies.copied():
        with pytest.raises(Unavailable):
            await copies.copied().__aenter__()
    async with copies.copied():
        pass


async def test_who_gives_up_ends_it_and_the_next_one_finds_all_in_order(ledger, copies, tmp_path):
    task = asyncio.create_task(kept(copies, tmp_path / "kept.db"))
    await begun(tmp_path / "relay.db")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not copy_of(tmp_path / "relay.db").exists()
    await kept(copies, tmp_path / "kept.db")


async def test_a_ledger_that_is_closed_does_not_wait_for_a_copy(ledger, copies, tmp_path):
    task = asyncio.create_task(kept(copies, tmp_path / "kept.db"))
    await begun(tmp_path / "relay.db")
    await ledger.close()
    with pytest.raises(LedgerError):
        await task
    assert not copy_of(tmp_path / "relay.db").exists()


async def test_room_is_left_for_the_ledger_itself(ledger, copies, monkeypatch):
    usage = namedtuple("usage", "free")  # noqa: PYI024 - as shutil has it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(free=64 << 20))
    with pytest.raises(LedgerError, match="must be free"):
        await copies.copied().__aenter__()


async def test_a_target_that_cannot_be_written_is_the_copys_trouble_only(ledger):
    with pytest.raises(LedgerError, match="cannot be copied"):
        await ledger.back_up(Path("/dev/full"))
    await ledger.commit(Batch(jobs=[job(1)]))
    assert await ledger.find([job(1).key])


async def test_what_a_crash_has_left_goes_at_the_next_start(tmp_path):
    copy_of(tmp_path / "relay.db").write_bytes(b"half")
    ledger = SqliteLedger(tmp_path / "relay.db")
    await ledger.open()
    await ledger.close()
    assert not copy_of(tmp_path / "relay.db").exists()


class TestVerify:
    def test_damage_is_found(self, tmp_path):
        path = tmp_path / "relay.db"
        asyncio.run(some_ledger(path))
        verify(path)
        with path.open("r+b") as file:
            file.seek(2 * 4096)
            file.write(b"\xff" * 4096)
        with pytest.raises(LedgerUnusable):
            verify(path)

    def test_another_programs_file_is_refused(self, tmp_path):
        with closing(sqlite3.connect(tmp_path / "other.db")) as other:
            other.execute("CREATE TABLE jobs (x)")
        with pytest.raises(LedgerUnusable, match="not a ledger"):
            verify(tmp_path / "other.db")


class TestAtRest:
    async def test_a_ledger_in_use_is_told_apart(self, ledger, tmp_path):
        with pytest.raises(LedgerInUse), at_rest(tmp_path / "relay.db"):
            pass

    def test_what_is_not_there_is_not_made(self, tmp_path):
        with pytest.raises(LedgerUnusable, match="no such file"), at_rest(tmp_path / "relay.db"):
            pass
        assert not list(tmp_path.iterdir())

    def test_what_was_not_checkpointed_is_read_and_a_schema_stays_as_it_is(self, tmp_path):
        """As after `kill -9` of a relay that is older."""
        path = tmp_path / "relay.db"
        asyncio.run(some_ledger(path))
        with closing(sqlite3.connect(path, isolation_level=None)) as crashed:
            crashed.execute("PRAGMA user_version = 1")
            crashed.execute("INSERT INTO marks VALUES ('late', 'x')")
            for suffix in ("", "-wal"):
                shutil.copy(tmp_path / f"relay.db{suffix}", tmp_path / f"left.db{suffix}")
        with at_rest(tmp_path / "left.db") as connection:
            assert connection.execute("SELECT value FROM marks WHERE name = 'late'").fetchall() == [("x",)]
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)
            with pytest.raises(sqlite3.OperationalError):
                connection.execute("DELETE FROM marks")


async def some_ledger(path):
    ledger = SqliteLedger(path)
    await ledger.open()
    await ledger.commit(Batch(marks={f"m{number}": PADDING for number in range(50)}))
    await ledger.close()
