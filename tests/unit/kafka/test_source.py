"""A topic to read from, where no broker is; with a real one: tests/integration/test_kafka_intake."""

import socket

import pytest

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure
from relay.kafka.source import PartitionSource, Source


class Lines(list):
    def warning(self, event, /, **fields):
        self.append(event)


async def test_nothing_can_be_asked_and_nothing_shown_and_only_the_former_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    lines = Lines()
    connection = Connection(bootstrap_servers=(f"127.0.0.1:{port}",))
    source = Source(connection, topic="intake", group="relay", log=lines)
    with pytest.raises(KafkaFailure) as raised:
        await source.describe()
    assert raised.value.reason is Reason.CONNECT
    await source.show({0: 1})
    await source.close()
    assert lines == []


async def test_of_one_partition_it_is_shown_in_the_name_of_its_owner_and_no_topic_is_made():
    shown = []

    async def show(offsets):
        shown.append(offsets)

    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = Connection(bootstrap_servers=(f"127.0.0.1:{server.getsockname()[1]}",))
    source = PartitionSource(connection, topic="intake", partition=3, show=show)
    with pytest.raises(KafkaFailure):
        await source.describe()
    await source.show({3: 1})
    await source.close()
    assert shown == [{3: 1}]
