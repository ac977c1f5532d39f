"""The hash is the one of Kafka's Java client: whoever keys records by account meets the partition that relay means."""

import pytest
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from relay.ledger.kafka.partitioning import murmur2, partition_of

# testMurmur2 of org.apache.kafka.common.utils.UtilsTest
JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), JAVA.items())
def test_the_hash_is_that_of_java(key, signed):
    assert murmur2(key.encode()) == signed % 2**32


@given(st.binary(max_size=100))
def test_the_hash_is_that_of_aiokafka(key):
    assert murmur2(key) == reference(key) % 2**32


@pytest.mark.parametrize(("key", "signed"), JAVA.items())
def test_the_partition_is_the_positive_part_of_the_hash(key, signed):
    """Java: toPositive(murmur2(key)) % partitions, where toPositive drops the sign bit."""
    for partitions in (1, 3, 12, 1000):
        assert partition_of(key, partitions) == (signed & 0x7FFFFFFF) % partitions


def test_names_are_hashed_as_utf_8():
    assert partition_of("büro-東京", 7) == (reference("büro-東京".encode()) & 0x7FFFFFFF) % 7
