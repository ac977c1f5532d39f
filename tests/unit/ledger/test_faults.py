"""What went wrong is said with the file's name and with what to do."""

import errno
import sqlite3
from pathlib import Path

import pytest

from relay.errors import LedgerUnusable
from relay.ledger.faults import explain, fault

PATH = Path("/data/relay.db")


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("as SQLite puts it")
    error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_NAME"
    return error


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_FULL, "free some space"),
        (sqlite3.SQLITE_IOERR_FSYNC, "check the disk"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "check the permissions"),
        (sqlite3.SQLITE_BUSY, "close that program"),
        (sqlite3.SQLITE_CORRUPT, "restore a backup"),
        (sqlite3.SQLITE_NOMEM, "cannot be used"),
    ],
)
def test_sqlites_codes_are_put_into_words(code, advice):
    text = explain(PATH, sqlite_error(code))
    assert text.startswith("ledger /data/relay.db: ")
    assert advice in text
    assert text.endswith("(SQLITE_NAME: as SQLite puts it)")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "create it"),
        (errno.EIO, "cannot be"),
    ],
)
def test_the_systems_errors_are_put_into_words(number, advice):
    assert advice in explain(PATH, OSError(number, "whatever"))


def test_an_error_of_the_python_module_has_no_code_and_is_told_all_the_same():
    assert explain(PATH, sqlite3.ProgrammingError("closed")) == (
        "ledger /data/relay.db: it cannot be used (ProgrammingError: closed)"
    )


@pytest.mark.parametrize(
    ("code", "lasting"),
    [(sqlite3.SQLITE_FULL, False), (sqlite3.SQLITE_IOERR_READ, False), (sqlite3.SQLITE_CORRUPT, True)],
)
def test_damage_is_for_a_person_and_the_rest_may_pass(code, lasting):
    assert isinstance(fault(PATH, sqlite_error(code)), LedgerUnusable) is lasting
