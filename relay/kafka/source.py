"""A topic to read jobs from, and the group in whose name it is said how far that has come."""

from collections.abc import Awaitable, Callable, Mapping

from relay.kafka.connection import Connection
from relay.kafka.group import Mirror
from relay.kafka.reachability import Log
from relay.kafka.reader import Reader
from relay.kafka.topics import Topic, describe_topic


class Source:
    """All of the topic, read by one process."""

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


class PartitionSource:
    """One partition, read by who owns it. `show`: for tools that watch lag, tells what comes next; see Membership."""

    def __init__(
        self,
        connection: Connection,
        *,
        topic: str,
        partition: int,
        show: Callable[[Mapping[int, int]], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._show = show

    async def describe(self) -> Topic:
        """Raises KafkaFailure."""
        return await describe_topic(self._connection, self._topic, create=False)

    async def open(self, topic: Topic, offsets: Mapping[int, int]) -> Reader:
        """`offsets`: where to begin; the start, if it is not among them. Raises KafkaFailure."""
        return await Reader.open(self._connection, topic, offsets, partitions=[self._partition])

    async def show(self, offsets: Mapping[int, int]) -> None:
        """For tools that watch lag: what comes next, by partition."""
        await self._show(offsets)

    async def close(self) -> None:
        """Nothing is held."""
