"""All that a ledger's file holds, for whoever moves it elsewhere: read from a file at rest, see `copying.at_rest`."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.record import Positions
from relay.errors import LedgerUnusable
from relay.ledger import events, writing
from relay.ledger.schema import MIGRATIONS
from relay.ledger.statements import delivery_of, job_of, one_of

ROWS_FETCHED = 500

ACCOUNTS = "SELECT DISTINCT account FROM jobs ORDER BY account"
JOBS = "SELECT CAST(value AS BLOB) FROM jobs WHERE :filter ORDER BY seq"
DELIVERIES = "SELECT CAST(value AS BLOB) FROM deliveries WHERE :filter"
COUNTS = """
SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM jobs WHERE ended_at IS NULL),
    (SELECT count(*) FROM deliveries),
    (SELECT count(*) FROM deliveries WHERE state = 'pending'), (SELECT count(*) FROM deliveries WHERE state = 'dead')
"""


class Counts(NamedTuple):
    """`live` are among the jobs, `pending` and `dead` among the deliveries."""

    jobs: int
    live: int
    deliveries: int
    pending: int
    dead: int


class Contents:
    """What is read raises LedgerUnusable: a row cannot be deciphered; or sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Raises LedgerUnusable: its tables are not those of this version."""
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        if version > len(MIGRATIONS):
            raise LedgerUnusable("the ledger was written by a newer relay: use that one, or a newer one")
        if version < len(MIGRATIONS):
            raise LedgerUnusable("the ledger was written by an older relay: start this one with it once, and stop it")
        self._connection = connection

    def accounts(self) -> Collection[str]:
        return [name for (name,) in self._connection.execute(ACCOUNTS).fetchall()]

    def counts(self) -> Counts:
        return Counts(*self._connection.execute(COUNTS).fetchone())

    def positions(self) -> Positions:
        return events.positions(self._connection)

    def marks(self) -> Mapping[str, bytes]:
        return writing.marks(self._connection)

    def jobs(self, accounts: Collection[str]) -> Iterator[Job]:
        """All incarnations, in the order in which they were recorded."""
        return (job_of(self._connection, row) for row in self._values(JOBS, accounts))

    def deliveries(self, accounts: Collection[str]) -> Iterator[Delivery]:
        return (delivery_of(self._connection, row) for row in self._values(DELIVERIES, accounts))

    def _values(self, sql: str, accounts: Collection[str]) -> Iterator[bytes]:
        condition, names = one_of("account", accounts)
        cursor = self._connection.execute(sql.replace(":filter", condition), names)
        while rows := cursor.fetchmany(ROWS_FETCHED):
            yield from (value for (value,) in rows)
