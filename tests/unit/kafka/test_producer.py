"""A producer that cannot start; one that can: tests/integration/test_kafka_clients."""

import gc
import socket

import pytest
from aiokafka.partitioner import DefaultPartitioner

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


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"abc", 479470107),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_a_key_has_the_partition_that_javas_clients_give_it(key, murmur2):
    """Known answers of Kafka's own tests (UtilsTest.testMurmur2)."""
    assert DefaultPartitioner()(key, list(range(1_000)), []) == (murmur2 & 0x7FFFFFFF) % 1_000
