"""The brokers that tests share. The first test that asks starts them; they end with the tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import jars
from kafka.broker import Broker, Cluster, running
from kafka.topics import Topics
from kept import NotFetchedError

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
