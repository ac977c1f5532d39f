"""What SQLite and the operating system complain about, in words that tell a person what to do."""

import errno
import os
import sqlite3
from pathlib import Path

from relay.errors import LedgerError, LedgerUnusable

FULL = "the disk is full: free some space (a running relay goes on by itself)"
NOT_WRITABLE = (
    "it cannot be written: check the permissions of the file and its folder, "
    "and whether the file system is mounted read-only"
)
DAMAGED = (
    "it is damaged: restore a backup, or stop relay and save what is readable "
    "with sqlite3's .recover command; relay does not start over by itself"
)
NOT_A_LEDGER = "it is not a ledger of relay: nothing was changed; let ledger.path name another file"

BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: NOT_WRITABLE,
    sqlite3.SQLITE_PERM: NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: NOT_WRITABLE,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: NOT_A_LEDGER,
    sqlite3.SQLITE_BUSY: "another program has it open: close that program",
    sqlite3.SQLITE_IOERR: "the disk reports an error: check the disk and the system's log",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "a delivery or an event belongs to a job that the ledger does not hold",
}
BY_ERRNO = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: NOT_WRITABLE,
    errno.EPERM: NOT_WRITABLE,
    errno.EROFS: NOT_WRITABLE,
    errno.EISDIR: "it is a folder: let ledger.path name a file in it",
    errno.ENOENT: "its folder does not exist: create it",
    errno.ENOTDIR: "a part of its path is not a folder",
}
BEYOND_REPAIR = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def explain(path: Path, error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return describe(path, BY_ERRNO.get(error.errno or 0, "it cannot be used"), os.strerror(error.errno or 0))
    code = getattr(error, "sqlite_errorcode", 0)  # errors of the Python module itself have none
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    what = BY_SQLITE_CODE.get(code) or BY_SQLITE_CODE.get(code & 0xFF) or "it cannot be used"
    return describe(path, what, f"{name}: {error}")


def describe(path: Path, what: str, cause: str | None = None) -> str:
    return f"ledger {path}: {what}" + (f" ({cause})" if cause else "")


def fault(path: Path, error: sqlite3.Error) -> LedgerError:
    """The error to raise for one that came up while the ledger was in use."""
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in BEYOND_REPAIR
    return (LedgerUnusable if damaged else LedgerError)(explain(path, error))
