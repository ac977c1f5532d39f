"""The brokers that tests share, and what is there. The first test that asks starts them; they end with the tests."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from kafka import jars
from kafka.broker import Broker, Cluster, running
from kafka.partitions import Partitions
from kafka.topics import Topics
from kafka.wire import Wire, wire_to
from kept import NotFetchedError

from relay.kafka.connection import Connection
from relay.kafka.topics import describe_topic
from relay.ledger.kafka import producer, tail
from relay.ledger.kafka.ledger import KafkaLedger
from relay.ledger.kafka.topics import LedgerTopic

EXTERNAL = "RELAY_TEST_KAFKA"


@pytest.fixture(scope="session")
def kafka_jars(require: Callable[[str], Path], lacking: Callable[[str], Any]) -> Path:
    require("java")
    if not jars.fetched():
        require("mvn")
    try:
        return jars.fetch()
    except NotFetchedError as error:
        lacking(f"Maven cannot fetch Apache Kafka: {error}")
        raise


@pytest.fixture(scope="session")
def _own_kafka(request: pytest.FixtureRequest) -> Iterator[Cluster | None]:
    """One broker for all tests, unless the environment names another cluster."""
    if os.environ.get(EXTERNAL):
        yield None
        return
    with running(request.getfixturevalue("kafka_jars")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka(_own_kafka: Cluster | None) -> str:
    """Where a broker is: `host:port`. Its topics are shared by all tests; see `topics`."""
    return os.environ[EXTERNAL] if _own_kafka is None else _own_kafka.bootstrap


@pytest.fixture
def kafka_cluster(_own_kafka: Cluster | None) -> Cluster:
    """The same broker with all its listeners and certificates, for tests that sign in."""
    if _own_kafka is None:
        pytest.skip(f"{EXTERNAL} names a broker that the tests know nothing about")
    return _own_kafka


@pytest.fixture
def broker(kafka_cluster: Cluster) -> Iterator[Broker]:
    """The same broker, for tests that kill it and start it again. It runs again when they end."""
    [found] = kafka_cluster.brokers
    yield found
    found.thaw()
    if not found.runs:
        found.start()


@pytest.fixture
def three_brokers(kafka_jars: Path) -> Iterator[Cluster]:
    """Three brokers of a test's own, where a leader has to die. They take a while, so few tests should."""
    with running(kafka_jars, 3) as cluster:
        yield cluster


@pytest.fixture
def topics(kafka: str) -> Topics:
    """Topics with names of the test's own."""
    return Topics(kafka)


@pytest.fixture
async def wire(kafka: str) -> AsyncIterator[Wire]:
    """A way to the broker that can be cut."""
    async with wire_to(kafka) as made:
        yield made


@pytest.fixture
async def open_ledger() -> AsyncIterator[Callable[[KafkaLedger], Awaitable[KafkaLedger]]]:
    """Opens ledgers; all are closed with the test."""
    async with AsyncExitStack() as stack:

        async def opened(ledger: KafkaLedger) -> KafkaLedger:
            stack.push_async_callback(ledger.close)
            await ledger.open()
            return ledger

        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers that give up soon."""
    for name in ("SEND_SECONDS_MAX", "COMMIT_SECONDS_MAX"):
        monkeypatch.setattr(producer, name, 1.5)
    monkeypatch.setattr(producer, "KNOW_SECONDS_MAX", 0.5)
    monkeypatch.setattr(tail, "IDLE_SECONDS", 0.5)


@pytest.fixture
async def perishable(kafka: str, topics: Topics) -> Partitions:
    """A ledger's topic whose records can be deleted, which its own cannot."""
    connection = Connection(bootstrap_servers=tuple(kafka.split(",")))
    name = await topics.create("ledger", configs={"cleanup.policy": "delete"})
    topic = await describe_topic(connection, name, create=False)
    return Partitions(connection, LedgerTopic(topic=topic, tombstones_kept_seconds=100.0))
