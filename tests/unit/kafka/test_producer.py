"""A producer that cannot start; one that can: tests/integration/test_kafka_clients."""

import gc
import socket

import pytest

from relay.kafka.connection import Connection
from relay.kafka.producer import Producer, Record


async def test_one_that_cannot_start_leaves_nothing_open(recwarn):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await Producer.start(Connection(bootstrap_servers=(f"127.0.0.1:{port}",)))
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_a_record_needs_no_headers():
    assert Record(topic="events", key=None, value=b"").headers == ()
