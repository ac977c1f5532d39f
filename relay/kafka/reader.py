"""Partitions of one topic, read without a consumer group, from where it is told to begin.

Records of transactions that were aborted, or are still open, are not seen.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
    UnsupportedCodecError,
)

from relay.errors import RelayError
from relay.kafka.closing import start_within, undisturbed, within
from relay.kafka.connection import OPEN_SECONDS_MAX, Connection
from relay.kafka.failures import KafkaFailure, told
from relay.kafka.topics import Topic

FETCH_BYTES_MAX = 16 * 1024 * 1024
PARTITION_FETCH_BYTES_MAX = 2 * 1024 * 1024  # a record may be larger, and then comes alone
BEGIN_SECONDS_MAX = 10.0
CLOSE_SECONDS_MAX = 5.0
ENDS_SECONDS_MAX = 5.0
SALVAGED_MAX = 500
SALVAGE_SECONDS = 0.5

GARBLED = (ValueError, CorruptRecordException, UnsupportedCodecError)


class Message(NamedTuple):
    """A record as it was read. Header values are None where there is only a name.

    `garbled`: why nothing but its place could be read; None: it could.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    garbled: str | None = None


class OutOfRange(RelayError):  # noqa: N818 - says what it is
    """Where reading should go on, there is nothing any more, or nothing yet. `offsets`: by partition."""

    def __init__(self, offsets: Mapping[int, int]) -> None:
        super().__init__(f"the log does not hold these offsets: {dict(offsets)}")
        self.offsets = offsets


class Reader:
    """Calls raise KafkaFailure. What is read once is not read again before the reader is made anew."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: Topic, partitions: Iterable[int]) -> None:
        self._consumer = consumer
        self.topic = topic
        self._partitions = [TopicPartition(topic.name, number) for number in partitions]

    @classmethod
    async def open(
        cls,
        connection: Connection,
        topic: Topic,
        offsets: Mapping[int, int],
        partitions: Collection[int] | None = None,
    ) -> Self:
        """`offsets`: where to begin, by partition; the others begin at the start of the log.

        `partitions`: which to read; None: all.
        """
        with told():
            arguments = connection.client_arguments()
        consumer = AIOKafkaConsumer(
            **arguments,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
        )
        reader = cls(consumer, topic, range(topic.partitions) if partitions is None else partitions)
        with told():
            await start_within(OPEN_SECONDS_MAX, consumer.start(), reader.close)
        try:
            with told():
                await reader._begin(offsets)
        except BaseException:
            await reader.close()
            raise
        return reader

    async def _begin(self, offsets: Mapping[int, int]) -> None:
        # Of all of them, or the consumer would not know the topic yet when it is asked for its end.
        async with asyncio.timeout(BEGIN_SECONDS_MAX):
            starts = await self._consumer.beginning_offsets(self._partitions)
        # Nothing is awaited from here on: without a position, the consumer would ask for what the group has committed.
        self._consumer.assign(self._partitions)
        for each in self._partitions:
            self._consumer.seek(each, offsets.get(each.partition, starts[each]))

    async def fetch(self, records_max: int, seconds: float) -> Sequence[Message]:
        """What comes next, in the order of each partition; nothing, if nothing comes in this time.

        Also raises OutOfRange, and goes on when `rewind` was called.
        """
        try:
            return await self._get(*self._partitions, records_max=records_max, seconds=seconds)
        except KafkaFailure as failure:
            match failure.__cause__:
                case OffsetOutOfRangeError(args=[missing]):
                    raise OutOfRange({each.partition: offset for each, offset in missing.items()}) from failure
                case cause if isinstance(cause, GARBLED):
                    return await self._salvage()
            raise

    async def _get(self, *partitions: TopicPartition, records_max: int, seconds: float) -> Sequence[Message]:
        with told():
            found = await self._consumer.getmany(*partitions, timeout_ms=int(seconds * 1_000), max_records=records_max)
        return [
            Message(one.partition, one.offset, one.key, one.value, one.headers)
            for records in found.values()
            for one in records
        ]

    async def _salvage(self) -> Sequence[Message]:
        """Somewhere is a record that cannot be read, such as one with a header whose name is no text.

        It is found by reading one by one, and passed. The library gives nothing of it.
        """
        messages: list[Message] = []
        for each in self._partitions:
            try:
                while len(messages) < SALVAGED_MAX and (
                    found := await self._get(each, records_max=1, seconds=SALVAGE_SECONDS)
                ):
                    messages += found
            except KafkaFailure as failure:
                if not isinstance(failure.__cause__, GARBLED):
                    raise
                offset = await self._consumer.position(each)
                messages.append(Message(each.partition, offset, None, None, garbled=failure.detail))
                self._consumer.seek(each, offset + 1)
        return messages

    async def positions(self) -> Mapping[int, int]:
        """What will be read next, by partition."""
        return {each.partition: await self._consumer.position(each) for each in self._partitions}

    async def ends(self) -> Mapping[int, int]:
        """Where reading would end by now, by partition; asked of the brokers. A failure also says that it is gone."""
        with told():
            if self._consumer.partitions_for_topic(self.topic.name) is None:
                raise UnknownTopicOrPartitionError(self.topic.name)
            async with asyncio.timeout(ENDS_SECONDS_MAX):
                ends = await self._consumer.end_offsets(self._partitions)
        return {each.partition: end for each, end in ends.items()}

    @property
    def grown(self) -> bool:
        """Whether the topic has got more partitions meanwhile."""
        known = self._consumer.partitions_for_topic(self.topic.name)
        return known is not None and len(known) > self.topic.partitions

    async def rewind(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Go on at the start of the log; where that is, by partition."""
        affected = [each for each in self._partitions if each.partition in partitions]
        with told():
            starts = await self._consumer.beginning_offsets(affected)
        for each, start in starts.items():
            self._consumer.seek(each, start)
        return {each.partition: start for each, start in starts.items()}

    async def close(self) -> None:
        """Idempotent, bounded. It comes to its end, however often it is cancelled."""
        await undisturbed(self._close())

    async def _close(self) -> None:
        await stop_consumer(self._consumer, CLOSE_SECONDS_MAX)


async def stop_consumer(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Also one that may not have started. `seconds`: what each of two steps may take."""
    await within(seconds, consumer.stop())
    # `stop` may give up half-way, when it stumbles over a request that it has cancelled itself.
    await within(seconds, consumer._client.close())  # noqa: SLF001 - there is no other way
