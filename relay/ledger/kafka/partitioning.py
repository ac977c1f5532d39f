"""Which partition an account belongs to: the one where Java's clients and kcat put a record whose key is its name."""

from functools import lru_cache

from aiokafka.partitioner import murmur2

POSITIVE = 0x7FFF_FFFF


@lru_cache(maxsize=65_536)
def partition_of(account: str, partitions: int) -> int:
    """`partitions`: how many the topic has. See BuiltInPartitioner.partitionForKey of Kafka's Java client."""
    return (int(murmur2(account.encode())) & POSITIVE) % partitions
