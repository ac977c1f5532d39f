"""Which partition a record belongs to: the one where Java's clients and kcat put a record of its key."""

from functools import lru_cache

from aiokafka.partitioner import murmur2

POSITIVE = 0x7FFF_FFFF


@lru_cache(maxsize=65_536)
def partition_of(account: str, partitions: int) -> int:
    """Of the account's records, whose key is its name. `partitions`: how many the topic has."""
    return partition_of_key(account.encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """See BuiltInPartitioner.partitionForKey of Kafka's Java client."""
    return (int(murmur2(key)) & POSITIVE) % partitions
