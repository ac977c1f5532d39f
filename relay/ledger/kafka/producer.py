"""The producer that one partition has at a time: to start it is to fence whoever had it before.

Any failure is the end of it. Only a new one, which settles what the old one has left open, can tell what became of it.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from relay.errors import Reason
from relay.kafka.closing import within
from relay.kafka.connection import CLOSE_SECONDS_MAX, OPEN_SECONDS_MAX, Connection
from relay.kafka.failures import FAILURES, KafkaFailure, describe, reason_of, told
from relay.kafka.producer import end_client
from relay.ledger.kafka.records import Record
from relay.ledger.kafka.topics import RECORD_BYTES_MAX

BATCH_BYTES_MAX = 512 * 1024
TRANSACTION_SECONDS_MAX = 10.0  # then the broker aborts it, and readers go on
SEND_SECONDS_MAX = 8.0
COMMIT_SECONDS_MAX = 8.0


class NotCommitted(KafkaFailure):
    """Nothing of it is or will be in the record: it failed before it was to be committed."""


class OutcomeUnknown(KafkaFailure):
    """It may have been committed or not. Who fences this producer and reads to the end will know."""


class Fenced(KafkaFailure):
    """Another producer has this partition now, or the broker has given this one up. Outcome: as OutcomeUnknown."""


class PartitionProducer:
    def __init__(self, client: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._client = client
        self._topic = topic
        self._partition = partition

    @classmethod
    async def start(cls, connection: Connection, *, cluster: str, topic: str, partition: int) -> Self:
        """When it returns, no other producer of this partition can write, and none has left a transaction open.

        `cluster`: a name that all replicas share, and nobody else at these brokers has. Raises KafkaFailure.
        """
        with told():
            await connection.reach()  # the client itself would only say that it could not start
            client = AIOKafkaProducer(
                **connection.client_arguments(),
                acks="all",
                transactional_id=f"relay.{cluster}.{partition}",
                transaction_timeout_ms=int(TRANSACTION_SECONDS_MAX * 1_000),
                max_batch_size=BATCH_BYTES_MAX,
                max_request_size=RECORD_BYTES_MAX,
            )
            try:
                async with asyncio.timeout(OPEN_SECONDS_MAX):
                    await client.start()
            except BaseException:
                await within(CLOSE_SECONDS_MAX, client.stop())
                raise
        return cls(client, topic, partition)

    async def commit(self, records: Iterable[Record]) -> int:
        """All of them or none, in one transaction; the offset that comes after them.

        Raises NotCommitted, OutcomeUnknown or Fenced, after which it is of no more use; in bounded time.
        """
        with classified(NotCommitted):
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await self._client.begin_transaction()
                end = await self._send(records)
        with classified(OutcomeUnknown):
            async with asyncio.timeout(COMMIT_SECONDS_MAX):
                await self._client.commit_transaction()
        return end

    async def end(self) -> None:
        """Drop what is unsent. Bounded. What is open stays so until the next producer starts, or its time is up."""
        await end_client(self._client)
        for waiter in _waiters(self._client):
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # looked at, so that nobody complains

    async def _send(self, records: Iterable[Record]) -> int:
        """Every batch is awaited, since aiokafka commits what is left of a transaction of which a part has failed."""
        sent: list[asyncio.Future[RecordMetadata]] = []
        try:
            count = 0
            for batch in self._batches(records):
                count = batch.record_count()
                sent.append(await self._client.send_batch(batch, self._topic, partition=self._partition))
            *_, last = await asyncio.gather(*sent)
        finally:
            for each in sent:
                if not each.cancel() and not each.cancelled():
                    each.exception()  # looked at, so that nobody complains
        return int(last.offset) + count

    def _batches(self, records: Iterable[Record]) -> Iterator[BatchBuilder]:
        """One that does not fit into a batch with others has one of its own."""
        batch = self._client.create_batch()
        for key, value in records:
            if batch.append(timestamp=None, key=key, value=value) is None:
                yield batch
                batch = self._client.create_batch()
                batch.append(timestamp=None, key=key, value=value)
        yield batch


def _waiters(client: AIOKafkaProducer) -> Iterator[asyncio.Future[None]]:
    """What aiokafka leaves failed where nobody waited for it."""
    outcome = client._txn_manager.wait_for_transaction_end()  # noqa: SLF001 - there is no other way, here and below
    if outcome is not None:
        yield outcome
    for batches in client._message_accumulator._batches.values():  # noqa: SLF001
        yield from (batch._drain_waiter for batch in batches)  # noqa: SLF001


@contextmanager
def classified(otherwise: type[KafkaFailure]) -> Iterator[None]:
    """What aiokafka raises in here comes out as Fenced or `otherwise`."""
    try:
        yield
    except (ProducerFenced, InvalidProducerEpoch) as error:
        raise Fenced(Reason.REFUSED, "another owner has taken the partition") from error
    except FAILURES as error:
        raise otherwise(reason_of(error), describe(error)) from error
