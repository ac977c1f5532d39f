"""Where the partitions of a topic end, for those who do not read it."""

import asyncio
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition

from relay.kafka.closing import start_within, within
from relay.kafka.connection import CLOSE_SECONDS_MAX, OPEN_SECONDS_MAX, Connection
from relay.kafka.failures import KafkaFailure, told


class Ends:
    """One client, connected when it is needed and again after a failure. One question at a time."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._turn = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None

    async def of(self, partition: int) -> int:
        """The offset of what will be written there next. Raises KafkaFailure."""
        place = TopicPartition(self._topic, partition)
        async with self._turn:
            try:
                with told():
                    consumer = self._consumer or await self._connect()
                    offsets = await consumer.end_offsets([place])
            except KafkaFailure:
                await self.close()
                raise
        return int(offsets[place])

    async def _connect(self) -> AIOKafkaConsumer:
        await self._connection.reach()
        consumer = AIOKafkaConsumer(
            **self._connection.client_arguments(), enable_auto_commit=False, isolation_level="read_committed"
        )
        await start_within(OPEN_SECONDS_MAX, consumer.start(), partial(_end, consumer))
        self._consumer = consumer
        return consumer

    async def close(self) -> None:
        """Idempotent, bounded."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _end(consumer)


async def _end(consumer: AIOKafkaConsumer) -> None:
    await within(CLOSE_SECONDS_MAX, consumer.stop())
    # `stop` may give up half-way, when it stumbles over a request that it has cancelled itself.
    await within(CLOSE_SECONDS_MAX, consumer._client.close())  # noqa: SLF001 - there is no other way
