"""Every row has its place, and what is written is what is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.record import Positions
from relay.errors import LedgerUnusable
from relay.ledger.kafka import migration
from relay.ledger.kafka.migration import (
    BEGIN,
    END,
    UNFINISHED_KEY,
    MarkRules,
    Plan,
    changes,
    differences,
    hold,
    transactions,
)
from relay.ledger.kafka.partitioning import partition_of
from relay.ledger.kafka.reading import from_records
from relay.ledger.kafka.records import Record

RULES = MarkRules(
    to_account=("token:", "wait:"), everywhere=("sink/",), to_number=("intake/new/",), left_out=("probe", "intake/old/")
)
ACCOUNTS = [f"acme-{number}" for number in range(20)]


class Book:
    """Contents in memory: some jobs of each account, each with a delivery."""

    def __init__(self, marks=None):
        self.all = [
            Job(account=account, id=f"V3-{n}", tracked_at=float(n)) for n in range(1_300) for account in ACCOUNTS[:1]
        ]
        self.all += [Job(account=account, id="V3-x", tracked_at=1.0) for account in ACCOUNTS]
        self._marks = marks or {}

    def accounts(self):
        return ACCOUNTS

    def positions(self):
        return Positions(newest=70, forgotten=30)

    def marks(self):
        return self._marks

    def jobs(self, accounts):
        return (job for job in self.all if job.account in accounts)

    def deliveries(self, accounts):
        return (
            Delivery(
                account=j.account, job_id=j.id, tracked_at=j.tracked_at, sink="s", sequence=1, since=1.0, due_at=1.0
            )
            for j in self.jobs(accounts)
        )


class TestMarks:
    @pytest.mark.parametrize(("name", "where"), [
        ("token:acme-3", [partition_of("acme-3", 12)]),
        ("wait:acme-3", [partition_of("acme-3", 12)]),
        ("sink/orders", range(12)),
        ("intake/new/7", [7]),
        ("intake/new/id", range(12)),
        ("intake/old/7", ()),
        ("probe", ()),
    ])  # fmt: skip
    def test_each_goes_where_it_is_looked_for(self, name, where):
        assert list(RULES.partitions_of(name, 12)) == list(where)

    @pytest.mark.parametrize("name", ["colour", "intake/new/12", "intake/other/1"])
    def test_what_has_no_place_is_refused_rather_than_lost(self, name):
        with pytest.raises(LedgerUnusable, match=name):
            Plan(Book({name: b"x"}), RULES, 12)


class TestPlan:
    def test_every_account_is_whole_in_its_partition_and_positions_are_everywhere(self):
        book = Book({"token:acme-3": b"secret", "sink/orders": b"paused"})
        plan = Plan(book, RULES, 3)
        found = {number: from_records(plan.records(number)) for number in range(3)}
        for number, read in found.items():
            assert read.positions == book.positions()
            assert read.marks["sink/orders"] == b"paused"
            assert {row.columns[1] for row in read.jobs} == {
                name for name in ACCOUNTS if partition_of(name, 3) == number
            }
            assert len(read.jobs) == len(read.deliveries)
        assert sum(len(read.jobs) for read in found.values()) == len(book.all)
        assert [number for number in range(3) if "token:acme-3" in found[number].marks] == [partition_of("acme-3", 3)]


keys = st.sampled_from([b"a", b"b", b"c", b"d", UNFINISHED_KEY])
logs = st.lists(st.builds(Record, keys, st.none() | st.sampled_from([b"1", b"2", b"3"])), max_size=12)
tables = st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([b"1", b"2"]))


def held_after(log):
    held = {}
    for record in log:
        hold(held, record)
    return held


@given(logs, tables)
def test_what_is_written_makes_of_any_partition_what_is_wanted(log, table):
    wanted = [Record(key, value) for key, value in table.items()]
    written = list(changes(held_after(log), wanted))
    assert differences(held_after([*log, *written]), wanted) == 0
    assert UNFINISHED_KEY in held_after([*log, *written])
    assert held_after([*log, *written, END]) == held_after(wanted)
    assert not list(changes(held_after([*log, *written]), wanted)), "to do it again writes nothing"


def test_a_difference_of_any_kind_is_found():
    wanted = [Record(b"a", b"1"), Record(b"b", b"1")]
    assert differences(held_after([Record(b"a", b"2"), Record(b"c", b"1")]), wanted) == 3


def test_the_mark_comes_with_the_first_rows():
    first, *_ = transactions(changes({}, [Record(b"a", b"1")]))
    assert first == [BEGIN, Record(b"a", b"1")]


def test_transactions_are_bounded_by_rows_and_by_bytes(monkeypatch):
    monkeypatch.setattr(migration, "RECORDS_MAX", 3)
    monkeypatch.setattr(migration, "BYTES_MAX", 100)
    small, large = [Record(b"k", b"v")] * 7, Record(b"k", bytes(200))
    assert [len(part) for part in transactions(small)] == [3, 3, 1]
    assert [len(part) for part in transactions([large, *small[:2], large])] == [1, 3]
    assert not list(transactions([]))
