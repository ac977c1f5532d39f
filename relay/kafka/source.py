"""A topic to read jobs from, and the group in whose name it is said how far that has come."""

from collections.abc import Mapping

from relay.kafka.connection import Connection
from relay.kafka.group import Mirror
from relay.kafka.reachability import Log
from relay.kafka.reader import Reader
from relay.kafka.topics import Topic, describe_topic


class Source:
    def __init__(self, connection: Connection, *, topic: str, group: str, log: Log) -> None:
        self._connection = connection
        self._topic = topic
        self._mirror = Mirror(connection, group=group, topic=topic, log=log)

    async def describe(self) -> Topic:
        """Raises KafkaFailure."""
        return await describe_topic(self._connection, self._topic, create=True)

    async def open(self, topic: Topic, offsets: Mapping[int, int]) -> Reader:
        """`offsets`: where to begin, by partition; the others begin at the start. Raises KafkaFailure."""
        return await Reader.open(self._connection, topic, offsets)

    async def show(self, offsets: Mapping[int, int]) -> None:
        """For tools that watch lag: what comes next, by partition."""
        await self._mirror.show(offsets)

    async def close(self) -> None:
        await self._mirror.close()
