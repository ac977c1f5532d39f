"""All that a file holds is found in it, account by account."""

import sqlite3
from contextlib import closing

import pytest

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import Job
from relay.core.record import Batch
from relay.errors import LedgerUnusable
from relay.ledger.contents import Contents, Counts
from relay.ledger.copying import at_rest
from relay.ledger.sqlite import SqliteLedger

LIVE = Job(account="acme", id="V3-1", tracked_at=1.0)
ENDED = Job(account="acme", id="V3-2", tracked_at=2.0, state="completed", detected_at=3.0)
OTHER = Job(account="globex", id="V3-3", tracked_at=3.0)


def delivery(job, sink, state):
    return Delivery(
        account=job.account, job_id=job.id, tracked_at=job.tracked_at, sink=sink, sequence=1, since=1.0, due_at=1.0,
        state=state,
    )  # fmt: skip


OWED = [delivery(ENDED, "orders", DeliveryState.PENDING), delivery(ENDED, "mail", DeliveryState.DEAD)]


@pytest.fixture
async def path(tmp_path):
    ledger = SqliteLedger(tmp_path / "relay.db")
    await ledger.open()
    await ledger.commit(Batch(jobs=[LIVE, ENDED, OTHER], deliveries=OWED, marks={"token:acme": b"secret"}))
    await ledger.close()
    return ledger.path


async def test_all_of_it_is_read(path):
    with at_rest(path) as connection:
        contents = Contents(connection)
        assert contents.accounts() == ["acme", "globex"]
        assert contents.counts() == Counts(jobs=3, live=2, deliveries=2, pending=1, dead=1)
        assert contents.marks() == {"token:acme": b"secret"}
        assert set(contents.jobs(["acme"])) == {LIVE, ENDED}
        assert len(list(contents.jobs(["globex", "acme"]))) == 3
        assert sorted(contents.deliveries(["acme"]), key=lambda one: one.sink) == OWED[::-1]
        assert not list(contents.deliveries(["globex"]))
        assert contents.positions().newest == 0


@pytest.mark.parametrize(("version", "who"), [(1, "older"), (99, "newer")])
async def test_tables_of_another_version_are_refused(path, version, who):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with at_rest(path) as connection, pytest.raises(LedgerUnusable, match=who):
        Contents(connection)


async def test_a_row_that_cannot_be_read_is_named(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE jobs SET value = '{}' WHERE id = 'V3-2'")
        connection.commit()
    with at_rest(path) as connection, pytest.raises(LedgerUnusable, match="acme/V3-2"):
        list(Contents(connection).jobs(["acme"]))
