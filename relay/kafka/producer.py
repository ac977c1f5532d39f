"""One life of an idempotent producer: started, used until it is of no more use, and ended without waiting."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerIdMapping,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import RecordMetadata
from msgspec import Struct

from relay.kafka.closing import start_within, within
from relay.kafka.connection import CLOSE_SECONDS_MAX, OPEN_SECONDS_MAX, Connection

RECORD_BYTES_MAX = 2 * 1024 * 1024
BATCH_BYTES_MAX = 64 * 1024  # well below what topics take at once, which is 1 MiB where nobody set it
END_SECONDS_MAX = 20.0  # a request underway ends in this time, well or badly
CANCEL_SECONDS = 0.1


ABOUT_ONE_RECORD = (MessageSizeTooLargeError, TopicAuthorizationFailedError, KafkaTimeoutError)
"""What is wrong before a record has a number. KafkaTimeoutError: too many wait before it."""

OUT_OF_SEQUENCE = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerIdMapping, ProducerFenced)
"""Another record failed before, or the broker has forgotten this producer: another one may do what this one cannot."""


class Superseded(Exception):  # noqa: N818 - says what it is
    """The producer is of no more use, through no fault of this record, which may or may not be written."""


async def stop_client(client: AIOKafkaProducer) -> None:
    """Stop a client that may not have started. Bounded."""
    await within(CLOSE_SECONDS_MAX, client.stop())
    await within(CLOSE_SECONDS_MAX, client.client.close())  # where it did not get that far


async def end_client(client: AIOKafkaProducer) -> None:
    """End a client that was started, and drop what is unsent. Bounded.

    aiokafka's own `stop` waits until all is sent, which may be never.
    """
    sending = client._sender.sender_task  # noqa: SLF001 - see above
    sending.cancel()
    await asyncio.wait([sending], timeout=END_SECONDS_MAX)
    while not sending.done():
        sending.cancel()
        await asyncio.wait([sending], timeout=CANCEL_SECONDS)
    await within(CLOSE_SECONDS_MAX, client.client.close())
    client._closed = True  # noqa: SLF001 - or it complains when it is collected


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """What is published. `partition` None: by murmur2 of the key, as Java's clients do it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    partition: int | None = None


class Written(NamedTuple):
    """Where a record stands in its topic."""

    partition: int
    offset: int


class Producer:
    """`acknowledged_at`: when a broker last acknowledged a record (the event loop's time); before: when it started.

    `usable`: False once a record failed that had its number already: all that follow would be out of sequence. Also
    once the part of it that sends has ended.
    """

    def __init__(self, client: AIOKafkaProducer) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self.acknowledged_at = self._loop.time()
        self.usable = True

    @classmethod
    async def start(cls, connection: Connection) -> Self:
        """Raises any of `failures.FAILURES`."""
        await connection.reach()
        client = AIOKafkaProducer(
            **connection.client_arguments(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=RECORD_BYTES_MAX,
        )
        await start_within(OPEN_SECONDS_MAX, client.start(), partial(stop_client, client))
        return cls(client)

    async def send(self, record: Record) -> Written:
        """Return when all replicas in sync have it. Raises Superseded, or any of `failures.FAILURES`."""
        acknowledged = await self._enqueue(record)
        try:
            await asyncio.wait({acknowledged, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not acknowledged.done():
                raise Superseded
            written = acknowledged.result()
        except OUT_OF_SEQUENCE as error:
            self.usable = False
            raise Superseded from error
        except KafkaError as error:
            self.usable = False
            raise await self._explained(record.topic, error) from None
        finally:
            acknowledged.cancel()
        self.acknowledged_at = self._loop.time()
        return Written(written.partition, written.offset)

    async def _enqueue(self, record: Record) -> "asyncio.Future[RecordMetadata]":
        """The acknowledgement to come."""
        try:
            acknowledged: asyncio.Future[RecordMetadata] = await self._client.send(
                record.topic, record.value, key=record.key, headers=list(record.headers), partition=record.partition
            )
        except UnknownTopicOrPartitionError as error:
            raise await self._explained(record.topic, error) from None
        except KafkaError as error:
            if self._ended.done():
                raise Superseded from error
            if not isinstance(error, ABOUT_ONE_RECORD):  # the part that sends has ended, and never says so again
                self.usable = False
            raise
        return acknowledged

    async def _explained(self, topic: str, error: KafkaError) -> KafkaError:
        """What is behind an error that may mean anything: no such topic, or nobody there who could tell."""
        if not await self._client.client.force_metadata_update():
            return KafkaConnectionError("no broker answers")
        known = self._client.client.cluster.partitions_for_topic(topic) is not None
        return error if known else UnknownTopicOrPartitionError(topic)

    async def end(self) -> None:
        """Whoever waits gets an error, and what is still unsent is dropped. Idempotent, bounded."""
        if self._ended.done():
            return
        self._ended.set_result(None)
        await end_client(self._client)
