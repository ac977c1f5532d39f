"""From a ledger in one file to the partitions of a topic: which row goes where, and what is still to be written there.

Each account goes to its partition, with its jobs, their deliveries and its own marks. What all shards need to know goes
to every partition: how sinks stand, and the positions of events, which so rise in each from where they were.

A partition that is being filled says so by a mark, which goes when all partitions are complete. So a migration that was
interrupted is told from rows of others, and completed by doing it again: only what differs is written.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Protocol, TypeVar

import orjson

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.record import Positions
from relay.errors import LedgerUnusable
from relay.ledger.kafka.partitioning import partition_of
from relay.ledger.kafka.records import MARK, Changes, Record, to_records

T = TypeVar("T")

UNFINISHED = "migration"  # the mark of a partition that is being filled
UNFINISHED_KEY = orjson.dumps([MARK, UNFINISHED])
BEGIN, END = Record(UNFINISHED_KEY, b"1"), Record(UNFINISHED_KEY, None)
ROWS_AT_ONCE = 500
RECORDS_MAX, BYTES_MAX = 1_000, 4 * 1024 * 1024  # of a transaction, which may take seconds
DIGEST_BYTES = 16

Held = dict[bytes, bytes]
"""What a partition holds: digests of the values, by key."""


class Contents(Protocol):
    """All that is to be moved. What is read of some accounts is theirs alone."""

    def accounts(self) -> Collection[str]: ...

    def positions(self) -> Positions: ...

    def marks(self) -> Mapping[str, bytes]: ...

    def jobs(self, accounts: Collection[str]) -> Iterator[Job]: ...

    def deliveries(self, accounts: Collection[str]) -> Iterator[Delivery]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRules:
    """Where marks go, by how their names begin.

    `to_account`: the rest of the name is an account's. `to_number`: the rest is a partition's number; if it is none, it
    goes everywhere. `left_out`: goes nowhere, whatever else it fits.
    """

    to_account: Sequence[str] = ()
    everywhere: Sequence[str] = ()
    to_number: Sequence[str] = ()
    left_out: Sequence[str] = ()

    def partitions_of(self, name: str, partitions: int) -> Collection[int]:
        """Raises LedgerUnusable: nobody knows, or there is no partition of that number."""
        if _beginning(name, self.left_out) is not None:
            return ()
        if (account := _beginning(name, self.to_account)) is not None:
            return (partition_of(account, partitions),)
        if (number := _beginning(name, self.to_number)) is not None and number.isdecimal():
            if int(number) >= partitions:
                raise LedgerUnusable(f"the mark {name} is of a partition that the new ledger does not have")
            return (int(number),)
        if number is not None or _beginning(name, self.everywhere) is not None:
            return range(partitions)
        raise LedgerUnusable(f"the mark {name} is not known to this version of relay: upgrade relay")


def _beginning(name: str, prefixes: Sequence[str]) -> str | None:
    """The rest of the name after the one of these that it begins with."""
    return next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), None)


class Plan:
    """What each partition is to hold."""

    def __init__(self, contents: Contents, rules: MarkRules, partitions: int) -> None:
        """Raises LedgerUnusable: a mark has no place."""
        self._contents = contents
        self._marks = marks_by_partition(contents.marks(), rules, partitions)
        self._accounts: dict[int, list[str]] = defaultdict(list)
        for account in contents.accounts():
            self._accounts[partition_of(account, partitions)].append(account)

    def records(self, partition: int) -> Iterator[Record]:
        """All of its rows, in an order of their own. Raises as the contents do."""
        yield from to_records(Changes(marks=self._marks[partition], positions=self._contents.positions()), {})
        accounts = self._accounts.get(partition, ())
        if accounts:
            for jobs in _some(self._contents.jobs(accounts)):
                yield from to_records(Changes(jobs=jobs), {})
            for deliveries in _some(self._contents.deliveries(accounts)):
                yield from to_records(Changes(deliveries=deliveries), {})


def marks_by_partition(
    marks: Mapping[str, bytes], rules: MarkRules, partitions: int
) -> Mapping[int, Mapping[str, bytes]]:
    """Raises LedgerUnusable."""
    placed: dict[int, dict[str, bytes]] = {number: {} for number in range(partitions)}
    for name, value in marks.items():
        for number in rules.partitions_of(name, partitions):
            placed[number][name] = value
    return placed


def hold(held: Held, record: Record) -> None:
    """The record was read, after all that is held."""
    if record.value is None:
        held.pop(record.key, None)
    else:
        held[record.key] = digest(record.value)


def digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=DIGEST_BYTES).digest()


def changes(held: Held, wanted: Iterable[Record]) -> Iterator[Record]:
    """What is to be written so that a partition comes to hold what is wanted, and the mark; `held` is used up."""
    begun = held.pop(UNFINISHED_KEY, None)
    if begun is None:
        yield BEGIN
    for record in wanted:
        if record.value is not None and held.pop(record.key, None) != digest(record.value):
            yield record
    yield from (Record(key, None) for key in held)


def differences(held: Held, wanted: Iterable[Record]) -> int:
    """How many rows are missing, different or not wanted, the mark aside; `held` is used up."""
    held.pop(UNFINISHED_KEY, None)
    wrong = sum(record.value is not None and held.pop(record.key, None) != digest(record.value) for record in wanted)
    return wrong + len(held)


def transactions(records: Iterable[Record]) -> Iterator[Sequence[Record]]:
    """The records in parts, each of bounded size."""
    part, size = list[Record](), 0
    for record in records:
        part.append(record)
        size += len(record.key) + len(record.value or b"")
        if len(part) >= RECORDS_MAX or size >= BYTES_MAX:
            yield part
            part, size = [], 0
    if part:
        yield part


def _some(rows: Iterator[T]) -> Iterator[Sequence[T]]:
    while part := list(islice(rows, ROWS_AT_ONCE)):
        yield part
