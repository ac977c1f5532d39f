"""What is asked of the owners of jobs, wherever they are: records in the intake topic, as durable as Kafka is.

A request is carried out by whoever owns the partition when the record is read, so it may be asked of any replica.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from relay.core import commands
from relay.core.commands import Command, OfAccount, OfSink
from relay.core.job import JobKey, TrackRequest
from relay.errors import Reason, Unavailable
from relay.intake.offsets import Offsets
from relay.intake.records import written
from relay.kafka.failures import AWAY
from relay.kafka.producer import Record, Written
from relay.kafka.publisher import NotPublished
from relay.kafka.reachability import Log, Reachability
from relay.ledger.kafka.partitioning import partition_of

T = TypeVar("T")

ACKNOWLEDGED_SECONDS_MAX = 5.0  # a leader that fails is replaced in less, mostly
RETRY_AFTER_SECONDS = 5.0


class Publish(Protocol):
    async def __call__(self, record: Record) -> Written:
        """Where it stands, once it is acknowledged. Raises NotPublished."""


class Asking:
    """`partitions`: of the intake topic, as many as the ledger has.

    All that ask raise Unavailable: some of it may be written all the same, or be written yet; to ask again does no
    harm. A caller who gives up does not stop it half-way: what is underway is shared with others.
    """

    def __init__(self, publish: Publish, *, topic: str, partitions: int, log: Log) -> None:
        self._publish = publish
        self._topic = topic
        self._reachability = Reachability(client="api", log=log)
        self._underway: set[asyncio.Task[Any]] = set()
        self.partitions = partitions

    def partition_of(self, account: str) -> int:
        return partition_of(account, self.partitions)

    def reached(self, partition: int, marks: Mapping[str, bytes]) -> int:
        """The offset of what is to be read next there, as these marks of the ledger's partition have it.

        What stands before is recorded.
        """
        return Offsets(self._topic, marks).saved.get(partition, 0)

    async def track(self, requests: Sequence[TrackRequest]) -> Sequence[Written]:
        """In the order given, which those about one job also have in the topic."""
        by_job: dict[JobKey, list[tuple[int, Record]]] = {}
        for index, request in enumerate(requests):
            by_job.setdefault(request.key, []).append((index, self._record_of(request)))
        found = await self._bounded(partial(self._all, by_job.values()))
        return [found[index] for index in range(len(requests))]

    async def of_account(self, command: OfAccount) -> Written:
        """For the account's partition."""
        partition = self.partition_of(command.account)
        record = self._record_to(partition, command, command.account.encode())
        return await self._bounded(partial(self._publish, record))

    async def of_sink(self, command: OfSink) -> Mapping[int, int]:
        """For every partition; the offset in each."""
        records = [self._record_to(number, command, command.sink.encode()) for number in range(self.partitions)]
        found = await self._bounded(partial(self._all, [[one] for one in enumerate(records)]))
        return {one.partition: one.offset for one in found.values()}

    async def close(self) -> None:
        """Wait for nothing any more. Idempotent."""
        for task in self._underway:
            task.cancel()
        if self._underway:
            await asyncio.wait(self._underway)

    def _record_of(self, request: TrackRequest) -> Record:
        value, headers = written(request)
        partition = self.partition_of(request.account)
        return Record(
            topic=self._topic, key=request.account.encode(), value=value, headers=headers, partition=partition
        )

    def _record_to(self, partition: int, command: Command, key: bytes) -> Record:
        kind, value = commands.encode(command)
        headers = [(commands.HEADER, kind.encode())]
        return Record(topic=self._topic, key=key, value=value, headers=headers, partition=partition)

    async def _all(self, sequences: Iterable[Sequence[tuple[int, Record]]]) -> Mapping[int, Written]:
        """By the number that each has; those of a sequence one after another, and all else at once."""
        found: dict[int, Written] = {}

        async def publish(sequence: Sequence[tuple[int, Record]]) -> None:
            for number, record in sequence:
                found[number] = await self._publish(record)

        results = await asyncio.gather(*map(publish, sequences), return_exceptions=True)
        for failure in results:
            if failure is not None:
                raise failure
        return found

    async def _bounded(self, call: Callable[[], Awaitable[T]]) -> T:
        task = asyncio.create_task(self._explained(call))
        self._underway.add(task)
        task.add_done_callback(self._underway.discard)
        return await asyncio.shield(task)

    async def _explained(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(ACKNOWLEDGED_SECONDS_MAX):
                answer = await call()
        except (NotPublished, TimeoutError) as failure:
            if isinstance(failure, NotPublished) and failure.reason not in AWAY:  # which the publisher says itself
                self._reachability.lost(failure)
            raise Unavailable(
                Reason.LEDGER_UNAVAILABLE, "Kafka does not take requests at the moment", RETRY_AFTER_SECONDS
            ) from failure
        self._reachability.found()
        return answer
