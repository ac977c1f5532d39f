"""Where a topic ends, where no broker is; with a real one: tests/integration/test_kafka_clients."""

import gc
import socket

import pytest

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.ends import Ends
from relay.kafka.failures import KafkaFailure


async def test_nobody_there_is_told_and_leaves_nothing_open(recwarn):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ends = Ends(Connection(bootstrap_servers=(f"127.0.0.1:{port}",)), "jobs")
    for _ in range(2):
        with pytest.raises(KafkaFailure) as raised:
            await ends.of(0)
        assert raised.value.reason is Reason.CONNECT
    await ends.close()
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
