"""One producer for all, where no broker is; with a real one: tests/integration/test_kafka_clients."""

import asyncio
import socket

import pytest

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.producer import Record
from relay.kafka.publisher import NotPublished, Publisher

RECORD = Record(topic="events", key=b"key", value=b"value")


class Lines(list):
    def info(self, event, /, **fields):
        self.append(event)

    warning = error = info


@pytest.fixture
def nobody():
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
async def publisher(nobody, monkeypatch):
    monkeypatch.setattr("relay.kafka.publisher.PUBLISH_SECONDS_MAX", 0.1)
    lines = Lines()
    publisher = Publisher(Connection(bootstrap_servers=(nobody,)), lines)
    publisher.lines = lines
    yield publisher
    await publisher.close()


async def test_who_publishes_is_told_why_it_cannot_be_after_a_bounded_time(publisher):
    with pytest.raises(NotPublished) as raised:
        await publisher.publish(RECORD)
    assert raised.value.reason is Reason.CONNECT
    assert "refused" in raised.value.detail.lower() or "Connect call failed" in raised.value.detail


async def test_many_who_wait_are_all_told_and_the_log_has_one_line(publisher):
    results = await asyncio.gather(*(publisher.publish(RECORD) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {NotPublished}
    assert publisher.lines == ["kafka.unavailable"]


async def test_to_close_twice_or_before_anything_was_published_is_fine(publisher):
    await publisher.close()
    await publisher.close()
