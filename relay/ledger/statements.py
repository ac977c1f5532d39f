"""How statements are put together and run. All run on the connection's thread and leave no cursor open.

While SQLite works, Python's interpreter lock is free; it is taken back after every step of a statement, and beside a
busy event loop that wait is what costs. So writes put many rows into one statement, and reads gather their rows into
one value, joined by a character that JSON never holds (RFC 7464). What is gathered keeps the order of its subquery.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, TypeVar

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.job_row import decode
from relay.errors import LedgerUnusable, Undecipherable
from relay.ledger.rows import decode_delivery

T = TypeVar("T")
Statement = tuple[str, Sequence[Any]]

RECORD_SEPARATOR = b"\x1e"
ROWS_PER_STATEMENT = (1000, 100)  # the rest goes in one more; few different statements, so that they stay prepared
ROWS_SCANNED_MAX = 5000  # what one read looks at before commits get their turn

OWNERS_OF_VALUE = """
SELECT account || '/' || id FROM jobs WHERE CAST(value AS BLOB) = ?
UNION SELECT account || '/' || job_id FROM deliveries WHERE CAST(value AS BLOB) = ?
"""


def with_rows(sql: str, rows: Iterable[Sequence[Any]]) -> Iterator[Statement]:
    """`sql` with its `:rows` spelled out, as often as all rows need it."""
    for chunk in _chunks(list(rows)):
        yield _for_rows(sql, len(chunk[0]), len(chunk)), list(chain.from_iterable(chunk))


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    start = 0
    for size in ROWS_PER_STATEMENT:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
    if start < len(rows):
        yield rows[start:]


@cache
def _for_rows(sql: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return sql.replace(":rows", ", ".join([row] * rows))


def all_of(conditions: Iterable[Statement]) -> Statement:
    """The conditions and their parameters, joined to one for a statement's `:filter`."""
    texts, values = ["TRUE"], list[Any]()
    for text, parameters in conditions:
        texts.append(text)
        values.extend(parameters)
    return " AND ".join(texts), values


def one_of(column: str, values: Iterable[str]) -> Statement:
    parameters = sorted(values)
    return f"{column} IN ({', '.join('?' * len(parameters))})", parameters


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # SQLite itself has rolled back after some errors
            connection.execute("ROLLBACK")


def first(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
    rows = connection.execute(sql, parameters).fetchall()
    return rows[0] if rows else None


def gather(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Sequence[bytes]:
    ((values,),) = connection.execute(sql, parameters).fetchall()
    return () if values is None else values.split(RECORD_SEPARATOR)


def gather_pairs(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Of a statement whose rows are two values, joined by the same character."""
    values = iter(gather(connection, sql, parameters))
    return zip(values, values, strict=True)


def job_of(connection: sqlite3.Connection, row: bytes) -> Job:
    return _decoded(connection, decode, row)


def delivery_of(connection: sqlite3.Connection, row: bytes) -> Delivery:
    return _decoded(connection, decode_delivery, row)


def _decoded(connection: sqlite3.Connection, decipher: Callable[[bytes], T], row: bytes) -> T:
    """Raises LedgerUnusable, naming the job that the row belongs to."""
    try:
        return decipher(row)
    except Undecipherable as error:
        owners = [owner for (owner,) in connection.execute(OWNERS_OF_VALUE, (row, row)).fetchall()]
        raise LedgerUnusable(f"a row of {', '.join(owners) or 'some job'} cannot be read: {error}") from error
