"""Reading from somewhere else than a real broker, which is done in tests/integration/test_kafka_clients."""

import asyncio
import gc
import socket

import pytest

from relay.errors import Reason
from relay.kafka import reader as reading
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import Message, OutOfRange, Reader
from relay.kafka.topics import Topic


async def test_a_reader_that_cannot_be_opened_leaves_nothing_open(recwarn):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    connection = Connection(bootstrap_servers=(f"127.0.0.1:{port}",))
    with pytest.raises(KafkaFailure) as raised:
        await Reader.open(connection, Topic(name="intake", partitions=1), {})
    assert raised.value.reason is Reason.RESET
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


class Consumer:
    """Takes its time to start."""

    def __init__(self, **_):
        self.starting, self.may_go_on = asyncio.Event(), asyncio.Event()
        self.calls = []
        self._client = self

    async def start(self):
        self.starting.set()
        await self.may_go_on.wait()
        self.calls.append("started")

    async def stop(self):
        self.calls.append("stopped")

    async def close(self):
        """It holds no connection."""


async def test_one_who_gives_up_again_and_again_while_it_opens_lets_the_library_start_before_it_is_stopped(monkeypatch):
    """To be cancelled while it starts, aiokafka leaves a connection open that nobody knows."""
    consumer = Consumer()
    monkeypatch.setattr(reading, "AIOKafkaConsumer", lambda **_: consumer)
    connection = Connection(bootstrap_servers=("127.0.0.1:1",))
    opening = asyncio.create_task(Reader.open(connection, Topic(name="intake", partitions=1), {}))
    await consumer.starting.wait()
    for _ in range(3):
        opening.cancel()
        await asyncio.sleep(0)
    consumer.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert consumer.calls == ["started", "stopped"]


def test_what_is_missing_is_told_by_partition():
    assert OutOfRange({3: 17}).offsets == {3: 17}
    assert "3: 17" in str(OutOfRange({3: 17}))


def test_a_message_is_a_record_with_its_place():
    assert Message(0, 1, b"key", b"value") == (0, 1, b"key", b"value", (), None)
