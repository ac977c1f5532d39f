"""The producer that one partition has at a time: to start it is to fence whoever had it before.

Any failure in a transaction is the end of it. Only a new one, which settles what the old one has left open, can tell
what became of it.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import chain
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    LeaderNotAvailableError,
    ProducerFenced,
    UnknownProducerId,
)
from aiokafka.producer import sender
from aiokafka.structs import RecordMetadata, TopicPartition

from relay.errors import Reason
from relay.kafka.closing import start_within
from relay.kafka.connection import OPEN_SECONDS_MAX
from relay.kafka.failures import FAILURES, KafkaFailure, describe, reason_of, told
from relay.kafka.producer import Record as Message
from relay.kafka.producer import end_client, stop_client
from relay.ledger.kafka import batches
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.records import Record
from relay.ledger.kafka.topics import RECORD_BYTES_MAX

BATCH_BYTES_MAX = 512 * 1024
TRANSACTION_SECONDS_MAX = 10.0  # then the broker aborts it, and readers go on
SEND_SECONDS_MAX = 8.0
PUBLISH_SECONDS_MAX = 4.0  # of those
KNOW_SECONDS_MAX = 2.0
COMMIT_SECONDS_MAX = 8.0

# A broker refuses to begin a transaction while it still marks the end of the last one, which takes it 3 ms or so.
# aiokafka would wait 20 ms until it asks again, two thirds of a commit.
sender.BACKOFF_OVERRIDE = 0.005

FENCED = (ProducerFenced, InvalidProducerEpoch)
FORGOTTEN = (InvalidProducerIdMapping, UnknownProducerId)


class NotCommitted(KafkaFailure):
    """Nothing of it is or will be in the record: it failed before it was to be committed."""


class Expired(NotCommitted):
    """The broker has forgotten this producer, which had nothing to do for long. Another one may do it."""


class NotPublished(NotCommitted):
    """Because of a topic of messages: without them, it might have been committed."""

    def __init__(self, reason: Reason, detail: str, topic: str) -> None:
        super().__init__(reason, f"topic {topic}: {detail}")
        self.topic = topic


class OutcomeUnknown(KafkaFailure):
    """It may have been committed or not. Who fences this producer and reads to the end will know."""


class Fenced(KafkaFailure):
    """Another producer has this partition now, or the broker has given this one up. Outcome: as OutcomeUnknown."""


class PartitionProducer:
    def __init__(self, client: AIOKafkaProducer, partition: Partition) -> None:
        self._client = client
        self._topic = partition.topic.topic.name
        self._number = partition.number

    @classmethod
    async def start(cls, partition: Partition) -> Self:
        """When it returns, no other producer of this partition can write, and none has left a transaction open.

        Raises KafkaFailure.
        """
        with told():
            await partition.connection.reach()  # the client itself would only say that it could not start
            client = AIOKafkaProducer(
                **partition.connection.client_arguments(),
                acks="all",
                transactional_id=f"relay.{partition.cluster}.{partition.number}",
                transaction_timeout_ms=int(TRANSACTION_SECONDS_MAX * 1_000),
                max_batch_size=BATCH_BYTES_MAX,
                max_request_size=RECORD_BYTES_MAX,
            )
            await start_within(OPEN_SECONDS_MAX, client.start(), partial(stop_client, client))
        return cls(client, partition)

    async def find(self, topics: Collection[str]) -> Mapping[str, Sequence[int]]:
        """The partitions of each topic of messages. Begins nothing, and costs nothing once they are known.

        Raises NotPublished: one is not there, or not to be written now.
        """
        return {topic: await self._find(topic) for topic in topics}

    async def _find(self, topic: str) -> Sequence[int]:
        give_up_at = asyncio.get_running_loop().time() + KNOW_SECONDS_MAX
        async with _blamed(topic, give_up_at):
            numbers = sorted(await self._client.partitions_for(topic))  # asks again and again for one that is not there
            cluster = self._client.client.cluster
            for number in numbers:
                if cluster.leader_for_partition(TopicPartition(topic, number)) in {None, -1}:
                    raise LeaderNotAvailableError
        return numbers

    async def commit(self, records: Iterable[Record], messages: Sequence[Message] = ()) -> int:
        """All of them or none, in one transaction; the offset that comes after the records.

        Raises NotCommitted (NotPublished is one), OutcomeUnknown or Fenced, after which it is of no more use; in
        bounded time.
        """
        partitions = await self.find({message.topic for message in messages})
        with classified(NotCommitted):
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await self._client.begin_transaction()
                end = await self._send(records)
                # Not before, or to be denied this topic would leave the partition itself out of the transaction.
                await self._publish(messages, partitions)
        with classified(OutcomeUnknown):
            async with asyncio.timeout(COMMIT_SECONDS_MAX):
                await self._client.commit_transaction()
        return end

    async def end(self) -> None:
        """Drop what is unsent. Bounded. What is open stays so until the next producer starts, or its time is up."""
        waiters = list(_waiters(self._client))  # of which some are nowhere once they have failed
        await end_client(self._client)
        for waiter in (*waiters, *_waiters(self._client)):
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # looked at, so that nobody complains

    async def _send(self, records: Iterable[Record]) -> int:
        """Every batch is awaited, since aiokafka commits what is left of a transaction of which a part has failed."""
        sent: list[asyncio.Future[RecordMetadata]] = []
        with _looked_at(sent):
            count = 0
            for batch in batches.of_rows(self._client.create_batch, records):
                count = batch.record_count()
                sent.append(await self._client.send_batch(batch, self._topic, partition=self._number))
            *_, last = await asyncio.gather(*sent)
        return int(last.offset) + count

    async def _publish(self, messages: Iterable[Message], partitions: Mapping[str, Sequence[int]]) -> None:
        """As `_send`; what fails here does not concern the records, which have been written by now."""
        give_up_at = asyncio.get_running_loop().time() + PUBLISH_SECONDS_MAX
        sent: list[asyncio.Future[RecordMetadata]] = []
        topics: list[str] = []
        with _looked_at(sent):
            for topic, number, batch in batches.of_messages(self._client.create_batch, messages, partitions):
                async with _blamed(topic, give_up_at):
                    sent.append(await self._client.send_batch(batch, topic, partition=number))
                topics.append(topic)
            for topic, each in zip(topics, sent, strict=True):
                async with _blamed(topic, give_up_at):
                    await each


def _waiters(client: AIOKafkaProducer) -> Iterator[asyncio.Future[Any]]:
    """What aiokafka leaves failed where nobody waited for it."""
    outcome = client._txn_manager.wait_for_transaction_end()  # noqa: SLF001 - there is no other way, here and below
    if outcome is not None:
        yield outcome
    accumulator = client._message_accumulator  # noqa: SLF001
    for batch in (*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches):  # noqa: SLF001
        yield batch.future
        yield batch._drain_waiter  # noqa: SLF001


@contextmanager
def _looked_at(futures: Collection[asyncio.Future[RecordMetadata]]) -> Iterator[None]:
    """What becomes of them is of no interest afterwards, and nobody complains."""
    try:
        yield
    finally:
        for each in futures:
            if not each.cancel() and not each.cancelled():
                each.exception()


@contextmanager
def classified(otherwise: type[KafkaFailure]) -> Iterator[None]:
    """What aiokafka raises in here comes out as Fenced or `otherwise`; instead of NotCommitted maybe as Expired."""
    try:
        yield
    except FENCED as error:
        raise Fenced(Reason.REFUSED, "another owner has taken the partition") from error
    except FAILURES as error:
        # The part of aiokafka that sends may have ended by it, and says so in an error of its own.
        forgotten = isinstance(error, FORGOTTEN) or isinstance(error.__cause__, FORGOTTEN)
        failure = Expired if forgotten and otherwise is NotCommitted else otherwise
        raise failure(reason_of(error), describe(error)) from error


@asynccontextmanager
async def _blamed(topic: str, give_up_at: float) -> AsyncIterator[None]:
    """What fails in here, or takes longer, is a matter of this topic of messages. `give_up_at`: event loop's time."""
    try:
        async with asyncio.timeout_at(give_up_at):
            yield
    except FENCED:
        raise
    except FAILURES as error:
        raise NotPublished(reason_of(error), describe(error), topic) from error
