"""One partition as a ledger: its topic is the authority, its image answers."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from relay.core.record import Batch, Message, Retention
from relay.errors import LedgerError, LedgerLost, LedgerUnusable, Undecipherable
from relay.kafka.failures import KafkaFailure
from relay.kafka.producer import Record as Published
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.migration import UNFINISHED
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.producer import Expired, Fenced, NotPublished, PartitionProducer
from relay.ledger.kafka.publishing import Publishing
from relay.ledger.kafka.reading import from_records
from relay.ledger.kafka.records import Changes, Record
from relay.ledger.kafka.tail import Tail

CLOSE_SECONDS_MAX = 2.0


class Hold(Protocol):
    """On an image, which one at a time may write to."""

    @property
    def image(self) -> Image: ...

    async def take(self) -> None:
        """On return, nobody else writes to the image, and it is open. Raises LedgerUnusable."""

    async def give_back(self) -> None:
        """Idempotent; safe before `take`."""


class KafkaLedger:
    """The `Ledger` on one partition of a topic.

    It is ours from `open`, which fences whoever had it, until somebody else fences us. What failed to be committed may
    be in the topic all the same. So after a failure the next commit takes the partition again and reads to its end;
    if nothing has come, what the caller knows is what the topic holds, and it goes on. Otherwise the ledger is lost to
    its caller: every commit raises LedgerLost, and whoever still owns the partition opens it and loads from it anew.

    `still_ours`: asked before the partition is taken again, so that one who does not know yet that it went to somebody
    else does not fence the true owner. Returns if it is ours; raises LedgerLost if not, KafkaFailure if nobody tells.
    """

    def __init__(
        self,
        partition: Partition,
        *,
        hold: Hold,
        still_ours: Callable[[], Awaitable[object]],
        publishing: Publishing,
    ) -> None:
        self._partition = partition
        self._name = f"topic {partition.name}"
        self._hold = hold
        self._image = hold.image
        self._still_ours = still_ours
        self._publishing = publishing
        self._tail = Tail(partition, self._image)
        self._turn = asyncio.Lock()
        self._producer: PartitionProducer | None = None
        self._running: set[asyncio.Task[Changes]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._lost: str | None = None
        rows = self._image.rows
        self.live = rows.live
        self.find = rows.find
        self.deliveries_of = rows.deliveries_of
        self.page = rows.page
        self.due = rows.due
        self.next_due = rows.next_due
        self.overaged = rows.overaged
        self.delivery = rows.delivery
        self.deliveries = rows.deliveries
        self.backlog = rows.backlog
        self.events = rows.events
        self.position_before = rows.position_before
        self.positions = rows.positions
        self.marks = self._image.marks
        self.size_bytes = rows.size_bytes

    async def open(self) -> None:
        """Take the partition, from whoever has it, and read it to its end. Raises LedgerError or LedgerUnusable."""
        self._lost = None
        try:
            await self._hold.take()
            await self._ask()
            await self._take_over()
            await self._refuse_unfinished()
        except BaseException:
            await self.close()
            raise
        self._tail.changed = False

    async def _refuse_unfinished(self) -> None:
        if UNFINISHED in await self.marks():
            text = "a migration into it was begun and not finished: do `relay ledger migrate` again"
            raise LedgerUnusable(f"{self._name}: {text}")

    async def close(self) -> None:
        """Idempotent, bounded; safe before `open`. A commit that takes too long is left to its own: written or not."""
        self._lost = "it is closed"
        await _wait(self._running)
        for task in self._running:
            task.cancel()
        self._give_up()
        await _wait(self._ending)  # those that take longer come to their end by themselves
        await self._hold.give_back()

    async def commit(self, batch: Batch) -> None:
        """Durable when it returns, by all replicas in sync; what it publishes is then to be read, too.

        Messages go with rows that say so, and not without any. Raises AlreadyKnown, LedgerError, NotPublishable or
        LedgerLost.
        """

        async def decide() -> Changes:
            return await self._image.changes_of(batch)

        await self._in_turn(self._change(decide, batch.messages))

    async def forget(self, retention: Retention, limit: int) -> int:
        async def decide() -> Changes:
            return await self._image.forgetting(retention, limit)

        return len((await self._in_turn(self._change(decide))).gone_jobs)

    async def _in_turn(self, change: Coroutine[Any, Any, Changes]) -> Changes:
        """A caller who gives up does not stop it half-way."""
        task = asyncio.create_task(change)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _change(self, decide: Callable[[], Awaitable[Changes]], messages: Sequence[Message] = ()) -> Changes:
        async with self._turn:
            await self._ready()
            try:
                changes = await decide()
            except LedgerUnusable as error:
                await self._image.start_over()
                raise self._lose("its image was damaged") from error
            if not changes.empty:
                await self._write(changes, messages)
            return changes

    async def _ready(self) -> PartitionProducer:
        if self._lost is not None:
            raise self._lose(self._lost)
        if self._producer is None:
            await self._ask()
            self._producer = await self._take_over()
            if self._tail.changed:
                raise self._lose("what had failed to be committed was written after all, or others have written")
        return self._producer

    async def _ask(self) -> None:
        try:
            with self._explained():
                await self._still_ours()
        except LedgerLost as lost:
            raise self._lose(str(lost)) from lost

    def _lose(self, why: str) -> LedgerLost:
        self._lost = why
        self._give_up()
        return LedgerLost(f"{self._name}: {why}")

    async def _take_over(self) -> PartitionProducer:
        """Fencing comes first: so nothing is written beyond the end that is read to."""
        with self._explained():
            producer = await PartitionProducer.start(self._partition)
            self._producer = producer
            try:
                await self._tail.catch_up()
            except BaseException:
                self._give_up()
                raise
        return producer

    async def _write(self, changes: Changes, messages: Sequence[Message]) -> None:
        records = self._image.records_of(changes)
        try:
            read = from_records(records)  # what could not be read again must not be written
        except Undecipherable as error:
            raise LedgerError(f"a value cannot be recorded: {error}") from error
        published = await self._publishable(messages)
        try:
            offset = await self._send(records, published)
            await self._image.apply(read, offset, at_end=True, jobs=changes.jobs)
        except BaseException as error:
            self._give_up()
            match error.__cause__:
                case Fenced():
                    raise self._lose("another owner has taken it") from error
                case NotPublished() as failure:
                    raise self._publishing.refused(messages, failure) from failure
            raise
        self._publishing.published(published)

    async def _publishable(self, messages: Sequence[Message]) -> Sequence[Published]:
        """Raises NotPublishable before anything was begun, so that it costs no new producer."""
        published = self._publishing.records_of(messages)
        producer = await self._ready()
        try:
            await producer.find({record.topic for record in published})
        except NotPublished as failure:
            raise self._publishing.refused(messages, failure) from failure
        return published

    async def _send(self, records: Sequence[Record], published: Sequence[Published]) -> int:
        """The offset after the records. By a new producer, where the broker has forgotten the one that there was."""
        with self._explained():
            try:
                return await (await self._ready()).commit(records, published)
            except Expired:
                self._give_up()
                return await (await self._ready()).commit(records, published)

    def _give_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            ending = asyncio.create_task(producer.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except KafkaFailure as failure:
            raise LedgerError(f"{self._name}: {failure}") from failure


async def _wait(tasks: Collection[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSE_SECONDS_MAX)
