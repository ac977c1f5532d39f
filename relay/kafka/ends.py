"""Where the partitions of a topic end, for those who do not read it."""

import asyncio
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition

from relay.kafka.closing import start_within
from relay.kafka.connection import CLOSE_SECONDS_MAX, OPEN_SECONDS_MAX, Connection
from relay.kafka.failures import KafkaFailure, told
from relay.kafka.reader import stop_consumer


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
        await start_within(OPEN_SECONDS_MAX, consumer.start(), partial(stop_consumer, consumer, CLOSE_SECONDS_MAX))
        self._consumer = consumer
        return consumer

    async def close(self) -> None:
        """Idempotent, bounded."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer, CLOSE_SECONDS_MAX)
