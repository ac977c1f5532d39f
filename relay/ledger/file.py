"""The SQLite file: locked, inspected before anything touches it, opened the way the ledger needs it."""

import fcntl
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from relay.errors import LedgerUnusable
from relay.ledger.faults import DAMAGED, NOT_A_LEDGER
from relay.ledger.schema import APPLICATION_ID, SQLITE_VERSION_MIN, migrate

HEADER_BYTES = 100
MAGIC = b"SQLite format 3\x00"
QUICK_CHECK_BYTES_MAX = 256 << 20
CACHE_KIB = 32 << 10
STATEMENTS_PREPARED_MAX = 512
# Commits write the pages of jobs_by_key again and again; the rarer the checkpoint, the rarer each goes to the file, too
CHECKPOINT_PAGES = 8 << 10
WAL_BYTES_KEPT = 64 << 20

SETTINGS = (
    # No other process, not even a shell, may checkpoint beside us: SQLite before 3.51.3 can damage the file then
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = OFF",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}",
    f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}",
)


class LedgerInUse(LedgerUnusable):
    """Another process has it open."""


class FileLock:
    """A lock beside the ledger, with its owner's process id in it. The system lifts it however the process ends."""

    def __init__(self, ledger: Path) -> None:
        self._path = ledger.with_name(ledger.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises LedgerInUse; OSError: the folder cannot be used."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            text = f"another relay has it open (process {holder}): stop that one, or use another ledger.path"
            raise LedgerInUse(text) from error
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def inspect(path: Path) -> None:
    """Create the file if there is none, readable for its owner only; refuse one without a ledger's header.

    Done without SQLite, which may write to a file when it opens it. Raises LedgerUnusable or OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        header = os.read(descriptor, HEADER_BYTES)
    finally:
        os.close(descriptor)
    if not header:
        return
    ours = len(header) == HEADER_BYTES and int.from_bytes(header[68:72], "big") == APPLICATION_ID
    if not (ours and header.startswith(MAGIC)):
        raise LedgerUnusable(NOT_A_LEDGER)


def connect(path: Path) -> sqlite3.Connection:
    """The connection to the ledger at `path`, a file that passed `inspect`. An empty one gets its tables.

    Raises LedgerUnusable: it is damaged or a newer relay's; sqlite3.Error: it cannot be read and written.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=0,
        check_same_thread=False,
        cached_statements=STATEMENTS_PREPARED_MAX,
    )
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
        needed = ".".join(map(str, SQLITE_VERSION_MIN))
        raise LedgerUnusable(f"Python's SQLite is {sqlite3.sqlite_version}, relay needs {needed} or newer")
    for setting in SETTINGS:
        connection.execute(setting)
    _check(connection, path)
    # Before the file turns to write-ahead logging, so that its header always tells whose it is
    migrate(connection)
    connection.execute("PRAGMA journal_mode = WAL")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Look for damage. It takes time in proportion to the size, so that of a big file is met when it is read."""
    if path.stat().st_size > QUICK_CHECK_BYTES_MAX:
        return
    ((finding,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if finding != "ok":
        raise LedgerUnusable(f"{DAMAGED} ({finding})")
