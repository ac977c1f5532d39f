"""Copies of the ledger's file, made by SQLite's online backup (https://www.sqlite.org/backup.html).

The connection that commits is the one that copies, step by step. So what it commits between two steps is written to the
copy as well, and the copy holds all that was committed before it was complete. Nobody else may open the file meanwhile:
SQLite before 3.51.3 can damage one at which several connections work, which rules out VACUUM INTO by a second one; on
the same one it would hold every commit up until it is done.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from relay.errors import LedgerError, LedgerUnusable, Reason, Unavailable
from relay.ledger.faults import DAMAGED, describe, explain
from relay.ledger.file import WAL_BYTES_KEPT, FileLock, inspect

PAGES_PER_STEP = 64  # a quarter of a megabyte: a commit that comes meanwhile waits for a millisecond
STEPS_UNWRITTEN_MAX = 32  # what lies about in memory is written at the next commit's cost
BUSY_SECONDS = 5.0


def copy(source: sqlite3.Connection, target: Path, between: Callable[[], None]) -> None:
    """Copy all to `target`, an empty file. `between`: called after each step; may use `source`, and raise to give up.

    Raises LedgerError: the target cannot be written. It is not sure to outlive a loss of power yet, see `flush`.
    """
    descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    steps = 0

    def progress(*_: int) -> None:
        nonlocal steps
        steps += 1
        if steps % STEPS_UNWRITTEN_MAX == 0:
            os.fsync(descriptor)
        between()

    try:
        with closing(_connect(target, "mode=rw")) as connection:
            # Who does not see the end of it throws it away, so it needs no journal.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            source.backup(connection, pages=PAGES_PER_STEP, progress=progress)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"it cannot be copied: {explain(target, error)}") from error
    finally:
        os.close(descriptor)


def copy_of(ledger: Path) -> Path:
    """Where the copy of a ledger at work is made."""
    return ledger.with_name(ledger.name + ".copy")


def remove_copy(ledger: Path) -> None:
    """One that a crash has left. Raises OSError."""
    copy_of(ledger).unlink(missing_ok=True)


def verify(path: Path) -> None:
    """Raises LedgerUnusable: the file is damaged, or no ledger."""
    try:
        inspect(path)
        with closing(_connect(path, "mode=ro&immutable=1")) as connection:  # nothing appears beside it
            ((finding,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    except (OSError, sqlite3.Error) as error:
        raise LedgerUnusable(explain(path, error)) from error
    except LedgerUnusable as error:
        raise LedgerUnusable(describe(path, str(error))) from error
    if finding != "ok":
        raise LedgerUnusable(describe(path, DAMAGED, finding))


@contextmanager
def at_rest(path: Path) -> Iterator[sqlite3.Connection]:
    """The file of a relay that is stopped, locked, for reading only: whatever its schema, that stays as it is.

    Raises LedgerInUse; LedgerUnusable: there is none, or it cannot be read.
    """
    lock = FileLock(path)
    try:
        _take(path, lock)
        with closing(_connect(path, "mode=rw")) as connection:  # what a crash has left is put in order
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.Error as error:
        raise LedgerUnusable(explain(path, error)) from error
    finally:
        lock.release()


def _take(path: Path, lock: FileLock) -> None:
    if not path.is_file() or not path.stat().st_size:
        raise LedgerUnusable(describe(path, "there is no such file"))
    try:
        inspect(path)
        lock.acquire()
    except LedgerUnusable as error:
        raise type(error)(describe(path, str(error))) from error
    except OSError as error:
        raise LedgerUnusable(explain(path, error)) from error


class Copyable(Protocol):
    """A ledger that is open."""

    @property
    def path(self) -> Path: ...

    async def size_bytes(self) -> int: ...

    async def back_up(self, target: Path) -> None: ...


class Copies:
    """Copies of a ledger at work, one at a time, each in a file beside it that soon goes again."""

    def __init__(self, ledger: Copyable) -> None:
        self._ledger = ledger
        self._path = copy_of(ledger.path)
        self._busy = False

    @asynccontextmanager
    async def copied(self) -> AsyncIterator[Path]:
        """A copy that lasts as long as the context. Raises LedgerError, or Unavailable: another is being made."""
        if self._busy:
            raise Unavailable(Reason.OVERLOADED, "a copy of the ledger is being made already", BUSY_SECONDS)
        self._busy = True
        try:
            await asyncio.to_thread(self._make_room, await self._ledger.size_bytes())
            await self._ledger.back_up(self._path)
            yield self._path
        finally:
            try:
                await asyncio.to_thread(self._path.unlink, missing_ok=True)  # which takes its time where it is big
            finally:
                self._busy = False

    def _make_room(self, size_bytes: int) -> None:
        """An empty file, for its owner only; one that a crash has left goes. Relay must go on when it is full."""
        try:
            self._path.unlink(missing_ok=True)
            free = shutil.disk_usage(self._path.parent).free
            if free < size_bytes + WAL_BYTES_KEPT:
                needed = f"{(size_bytes + WAL_BYTES_KEPT) / 1e6:,.0f} MB"
                text = f"to copy the ledger, {needed} must be free beside it; {free / 1e6:,.0f} MB are"
                raise LedgerError(text)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise LedgerError(explain(self._path, error)) from error


def _connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True, isolation_level=None, timeout=0)
