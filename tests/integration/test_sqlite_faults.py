"""The SQLite ledger on a disk that fills up or turns read-only, beside other processes, and killed in the middle."""

import asyncio
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from relay.core.job import DELETED, Job, JobKey
from relay.core.record import Batch, Retention
from relay.errors import LedgerError, LedgerUnusable
from relay.ledger import file
from relay.ledger.sqlite import SqliteLedger

AS_ROOT = os.geteuid() == 0


def job(number: int, size: int = 100) -> Job:
    return Job(account="acme", id=str(number), tracked_at=float(number), metadata=b'{"x":"' + b"x" * size + b'"}')


async def opened(path) -> SqliteLedger:
    ledger = SqliteLedger(path)
    await ledger.open()
    return ledger


async def refusal(path) -> str:
    ledger = SqliteLedger(path)
    with pytest.raises(LedgerUnusable) as refused:
        await ledger.open()
    await ledger.close()
    return str(refused.value)


async def known(ledger: SqliteLedger, count: int) -> list[int]:
    found = await ledger.find([JobKey("acme", str(number)) for number in range(count)])
    return sorted(int(key.id) for key in found)


async def fill(ledger: SqliteLedger) -> tuple[int, str]:
    """Commit until the disk is full: how many jobs were recorded, and what was said."""
    for number in range(100_000):
        try:
            await ledger.commit(Batch(jobs=[job(number, 5_000)]))
        except LedgerUnusable:
            raise
        except LedgerError as error:
            return number, str(error)
    raise AssertionError("the disk did not fill up")


def assert_sound(path, count: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (count,)


def mounted(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "relay-test", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not AS_ROOT or not mounted(folder, "size=2m"):
        pytest.skip("NOT TESTED HERE: a full disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("checkpoint_pages", [10, 10_000])
async def test_a_full_disk_refuses_work_keeps_what_it_has_and_recovers(small_disk, monkeypatch, checkpoint_pages):
    """Whether it is the write-ahead log that finds no room, or the file at a checkpoint."""
    monkeypatch.setattr(file, "SETTINGS", (*file.SETTINGS, f"PRAGMA wal_autocheckpoint = {checkpoint_pages}"))
    path = small_disk / "relay.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 800_000)
    ledger = await opened(path)

    count, said = await fill(ledger)
    assert count > 10
    assert said.startswith(f"ledger {path}: the disk is full: free some space")
    for _ in range(3):
        with pytest.raises(LedgerError):
            await ledger.commit(Batch(jobs=[job(count + number, 5_000) for number in range(200)]))
    assert await known(ledger, count + 200) == list(range(count))
    assert len(await ledger.live(None, 1000)) == count

    ballast.unlink()
    await ledger.commit(Batch(jobs=[job(count, 5_000)]))
    assert await known(ledger, count + 9) == list(range(count + 1))
    await ledger.close()
    assert_sound(path, count + 1)


async def test_a_process_killed_on_a_full_disk_starts_again_when_there_is_room(small_disk):
    path = small_disk / "relay.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 800_000)
    ledger = await opened(path)
    count, _ = await fill(ledger)
    left_behind = {
        found.name: found.read_bytes() for found in small_disk.iterdir() if found.name.startswith("relay.db")
    }
    await ledger.close()
    for name, content in left_behind.items():  # as a killed process would leave it
        (small_disk / name).write_bytes(content)
    ballast.unlink()
    ledger = await opened(path)
    assert await known(ledger, count + 9) == list(range(count))
    await ledger.close()


async def test_a_disk_that_is_full_at_the_start_is_told(small_disk):
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "ballast").write_bytes(b"x" * (4 << 20))
    assert "the disk is full" in await refusal(small_disk / "relay.db")


async def test_a_file_that_may_not_grow_refuses_work_and_recovers(tmp_path):
    """The same without a disk of its own: the process's limit on the size of a file stands in for the disk's end."""
    ledger = await opened(tmp_path / "relay.db")
    await ledger.commit(Batch(jobs=[job(0, 5_000)]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(LedgerError, match="disk"):
            await ledger.commit(Batch(jobs=[job(number, 5_000) for number in range(1, 200)]))
        assert await known(ledger, 200) == [0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await ledger.commit(Batch(jobs=[job(number, 5_000) for number in range(1, 200)]))
    assert await known(ledger, 200) == list(range(200))
    await ledger.close()
    assert_sound(tmp_path / "relay.db", 200)


@contextmanager
def read_only(path: Path):
    """The path without the right to write, also for root."""
    if not AS_ROOT:
        mode = path.stat().st_mode
        path.chmod(mode & ~0o222)
        yield
        path.chmod(mode)
        return
    if subprocess.run(["chattr", "+i", str(path)], check=False, capture_output=True).returncode != 0:
        pytest.skip("NOT TESTED HERE: root may write everything on a file system without immutable files")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


async def test_a_read_only_file_is_refused(tmp_path):
    path = tmp_path / "relay.db"
    await (await opened(path)).close()
    before = path.read_bytes()
    with read_only(path):
        assert "cannot be written" in await refusal(path)
    assert path.read_bytes() == before


async def test_a_read_only_folder_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with read_only(folder):
        assert "cannot be written" in await refusal(folder / "relay.db")


async def test_a_read_only_file_system_is_refused(small_disk):
    path = small_disk / "relay.db"
    await (await opened(path)).close()
    assert mounted(small_disk, "remount,ro")
    assert "cannot be written" in await refusal(path)


@contextmanager
def process(program: str, *args: object):
    """A Python process that has said its first line."""
    command = [sys.executable, "-c", program, *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.kill()


HOLD = """
import asyncio, sys
from relay.ledger.sqlite import SqliteLedger

async def hold():
    await SqliteLedger(sys.argv[1]).open()
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(hold())
"""


async def test_a_second_process_is_refused_until_the_first_is_gone_however_it_went(tmp_path):
    path = tmp_path / "relay.db"
    with process(HOLD, path) as holder:
        assert f"another relay has it open (process {holder.pid})" in await refusal(path)
        with (
            closing(sqlite3.connect(path, timeout=0)) as shell,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            shell.execute("SELECT * FROM jobs")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    await (await opened(path)).close()


READ = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT * FROM jobs").fetchall()
print("ready", flush=True)
time.sleep(600)
"""


async def test_a_file_that_another_program_has_open_is_refused(tmp_path):
    path = tmp_path / "relay.db"
    await (await opened(path)).close()
    with process(READ, path):
        assert "another program has it open" in await refusal(path)
    await (await opened(path)).close()


COMMIT = """
import asyncio, itertools, sys
from relay.core.job import Job
from relay.core.record import Batch
from relay.ledger import file
from relay.ledger.sqlite import SqliteLedger

async def commit(path, first):
    file.SETTINGS = (*file.SETTINGS, "PRAGMA wal_autocheckpoint = 20")
    ledger = SqliteLedger(path)
    await ledger.open()
    print("ready", flush=True)
    for number in itertools.count(first, 3):
        jobs = [Job(account="acme", id=str(number + n), tracked_at=1.0) for n in range(3)]
        await ledger.commit(Batch(jobs=jobs, marks={"next": str(number + 3).encode()}))
        print(number + 3, flush=True)

asyncio.run(commit(sys.argv[1], int(sys.argv[2])))
"""


async def test_what_was_acknowledged_survives_kill_9_and_what_was_not_is_whole_or_absent(tmp_path):
    """Killed at random moments, in the midst of commits and checkpoints."""
    path = tmp_path / "relay.db"
    chance = random.Random(2)
    acknowledged = recorded = 0
    for _ in range(12):
        with process(COMMIT, path, recorded) as committing:
            await asyncio.sleep(chance.uniform(0.0, 0.1))
            committing.send_signal(signal.SIGKILL)
            said = [int(line) for line in committing.stdout if line.endswith("\n")]
        acknowledged = max([recorded, *said])
        ledger = await opened(path)
        recorded = int((await ledger.marks()).get("next", b"0"))
        assert acknowledged <= recorded <= acknowledged + 3
        assert await known(ledger, recorded + 9) == list(range(recorded))
        await ledger.close()
    assert acknowledged > 0
    assert_sound(path, recorded)


async def test_the_write_ahead_log_does_not_grow_without_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "SETTINGS", (*file.SETTINGS, "PRAGMA wal_autocheckpoint = 100"))
    path = tmp_path / "relay.db"
    ledger = await opened(path)
    for first in range(0, 20_000, 500):
        await ledger.commit(Batch(jobs=[job(number) for number in range(first, first + 500)]))
    wal = (tmp_path / "relay.db-wal").stat().st_size
    assert 0 < wal < 2_000_000
    assert await ledger.size_bytes() == wal + path.stat().st_size > 20_000 * 100
    await ledger.close()
    assert await ledger.size_bytes() == path.stat().st_size


async def test_what_was_forgotten_makes_room_for_what_comes(tmp_path):
    """The file does not shrink, but it is bounded by what it once held at the same time."""
    ledger = await opened(tmp_path / "relay.db")
    for first in range(0, 10_000, 1000):
        await ledger.commit(Batch(jobs=[replace(job(number), state=DELETED) for number in range(first, first + 1000)]))
        assert await ledger.forget(Retention(finished_before=0.0, dead_before=0.0), 1000) == 1000
    await ledger.close()
    assert (tmp_path / "relay.db").stat().st_size < 1_000_000


async def test_closing_ends_the_thread(tmp_path):
    def threads() -> int:
        return sum(thread.name.startswith("ledger") for thread in threading.enumerate())

    ledger = await opened(tmp_path / "relay.db")
    assert threads() == 1
    await ledger.close()
    assert threads() == 0
    with pytest.raises(LedgerError, match="not open"):
        await ledger.marks()


async def test_calls_that_wait_when_the_ledger_is_closed_are_answered(tmp_path):
    ledger = await opened(tmp_path / "relay.db")
    commits = [asyncio.create_task(ledger.commit(Batch(jobs=[job(number)]))) for number in range(20)]
    await asyncio.sleep(0)
    await ledger.close()
    assert await asyncio.gather(*commits) == [None] * 20
    ledger = await opened(tmp_path / "relay.db")
    assert await known(ledger, 20) == list(range(20))
    await ledger.close()
