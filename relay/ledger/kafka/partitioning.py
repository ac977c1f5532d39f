"""Which partition a record belongs to: the one where Java's clients and kcat put a record of its key."""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct

POSITIVE, WORD = 0x7FFF_FFFF, 0xFFFF_FFFF
SEED, FACTOR = 0x9747_B28C, 0x5BD1_E995


@lru_cache(maxsize=65_536)
def partition_of(account: str, partitions: int) -> int:
    """Of the account's records, whose key is its name. `partitions`: how many the topic has."""
    return partition_of_key(account.encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """See BuiltInPartitioner.partitionForKey of Kafka's Java client."""
    return (murmur2(key) & POSITIVE) % partitions


def murmur2(key: bytes) -> int:
    """The hash of 32 bits, see Utils.murmur2 of Kafka's Java client. aiokafka's own goes from byte to byte, which takes
    about twice as long, and every event passes here.
    """
    length = len(key)
    hashed = SEED ^ length
    words = length // 4
    for word in _words(words)(key):
        mixed = word * FACTOR & WORD
        hashed = (hashed * FACTOR ^ (mixed ^ mixed >> 24) * FACTOR) & WORD
    if length % 4:
        hashed = (hashed ^ int.from_bytes(key[4 * words :], "little")) * FACTOR & WORD
    hashed = (hashed ^ hashed >> 13) * FACTOR & WORD
    return hashed ^ hashed >> 15


@lru_cache(maxsize=256)
def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    return Struct(f"<{count}I").unpack_from
