import pytest
from kafka.partitions import Partitions


@pytest.fixture(scope="session")
def ledger_partitions(kafka):
    """A partition for each test: a topic for each would take the broker longer."""
    return Partitions.create(kafka, 128)
