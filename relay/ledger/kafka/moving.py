"""A migration carried out: see `migration` for what goes where.

Nothing is written before all partitions were looked at. Each is taken from whoever has it, filled, and read back.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from relay.errors import LedgerError, LedgerUnusable
from relay.kafka.reader import Reader
from relay.ledger.kafka.migration import END, UNFINISHED_KEY, Held, Plan, changes, differences, hold, transactions
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.producer import PartitionProducer
from relay.ledger.kafka.records import Record
from relay.ledger.kafka.tail import beyond

T = TypeVar("T")

AT_ONCE_MAX = 4

Report = Callable[[int, int], None]
"""Called with a partition's number, and how many more of its rows are written; 0: it holds what it should."""


async def move(partitions: Sequence[Partition], plan: Plan, report: Report) -> None:
    """All that is planned. To do it again completes what was interrupted, and changes nothing where all was complete.

    Raises LedgerUnusable: a partition holds rows of others, or a row cannot be read; KafkaFailure; LedgerError: what is
    read back is not what was written.
    """
    complete = await _of_each(partitions, lambda each: _complete(each, plan))
    unfinished = [partition for partition, done in zip(partitions, complete, strict=True) if not done]
    await _of_each(unfinished, lambda each: _fill(each, plan, report))
    await _of_each(unfinished, _finish)


async def _of_each(partitions: Sequence[Partition], act: Callable[[Partition], Awaitable[T]]) -> Sequence[T]:
    """Some at a time; those that were begun come to an end, also where one of them fails."""
    results = list[T]()
    for start in range(0, len(partitions), AT_ONCE_MAX):
        some = await asyncio.gather(*map(act, partitions[start : start + AT_ONCE_MAX]), return_exceptions=True)
        for result in some:
            if isinstance(result, BaseException):
                raise result
            results.append(result)
    return results


async def _complete(partition: Partition, plan: Plan) -> bool:
    """Raises LedgerUnusable: it is neither complete nor unfinished."""
    held = await _read(partition)
    if not held or UNFINISHED_KEY in held:
        return False
    if differences(held, plan.records(partition.number)):
        raise _foreign(partition)
    return True


async def _fill(partition: Partition, plan: Plan, report: Report) -> None:
    async with _taken(partition) as producer:
        held, end = await _read(partition), 0
        if held and UNFINISHED_KEY not in held:
            raise _foreign(partition)
        for records in transactions(changes(held, plan.records(partition.number))):
            end = await producer.commit(records)
            report(partition.number, len(records))
        wrong = differences(await _read(partition, end), plan.records(partition.number))
        if wrong:
            raise LedgerError(f"topic {partition.name}: {wrong} rows are not what was written: do it again")
        report(partition.number, 0)


async def _finish(partition: Partition) -> None:
    async with _taken(partition) as producer:
        await producer.commit([END])


def _foreign(partition: Partition) -> LedgerUnusable:
    return LedgerUnusable(
        f"topic {partition.name} holds rows already, which are not those of this file: let ledger.topic name another "
        "one, or delete this one if nobody needs it"
    )


@asynccontextmanager
async def _taken(partition: Partition) -> AsyncIterator[PartitionProducer]:
    """Nobody else writes to it, and what was begun before is settled."""
    producer = await PartitionProducer.start(partition)
    try:
        yield producer
    finally:
        await producer.end()


async def _read(partition: Partition, end: int = 0) -> Held:
    """What it holds. `end`: up to where it is to be read at the least."""
    held: Held = {}
    reader = await Reader.open(partition.connection, partition.topic.topic, {}, partitions=[partition.number])
    try:
        end = max(end, (await reader.ends())[partition.number])
        position = (await reader.positions())[partition.number]
        while position < end:
            records, position = await beyond(partition, reader, position)
            for one in records:
                hold(held, Record(one.key or b"", one.value))
    finally:
        await reader.close()
    return held
