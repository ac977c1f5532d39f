"""A topic to read from, where no broker is; with a real one: tests/integration/test_kafka_intake."""

import socket

import pytest

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure
from relay.kafka.source import Source


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
