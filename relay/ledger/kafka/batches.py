"""Records in the batches in which they are sent. A record that does not fit into one with others has its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aiokafka.producer.message_accumulator import BatchBuilder

from relay.kafka.producer import Record as Message
from relay.ledger.kafka.partitioning import partition_of_key
from relay.ledger.kafka.records import Record

MESSAGES_BYTES_MAX = 64 * 1024  # well below what topics take at once, which is 1 MiB where nobody set it
MESSAGE_BYTES_EXTRA = 128  # more than what a batch adds to the bytes of a message
ATTRIBUTES_BYTES = 4 * 1024  # more than an event's key and headers, and what a batch adds to them

Empty = Callable[[], BatchBuilder]


class MessageBatch(NamedTuple):
    """Of one partition of a topic."""

    topic: str
    partition: int
    batch: BatchBuilder


def of_rows(empty: Empty, records: Iterable[Record]) -> Iterator[BatchBuilder]:
    """`empty`: makes a batch, which says when it is full."""
    batch = empty()
    for key, value in records:
        if batch.append(timestamp=None, key=key, value=value) is None:
            yield batch
            batch = empty()
            batch.append(timestamp=None, key=key, value=value)
    yield batch


def of_messages(
    empty: Empty, messages: Iterable[Message], partitions: Mapping[str, Sequence[int]]
) -> Iterator[MessageBatch]:
    """In their order within each partition, which the key names. `partitions`: those that each topic has, by number."""
    open_batches: dict[tuple[str, int], BatchBuilder] = {}
    for message in messages:
        numbers = partitions[message.topic]
        place = (message.topic, numbers[partition_of_key(message.key or b"", len(numbers))])
        batch = open_batches.get(place)
        if batch is not None and batch.size() + room_for(message) > MESSAGES_BYTES_MAX:
            yield MessageBatch(*place, batch)
            batch = None
        if batch is None:
            batch = open_batches[place] = empty()
        batch.append(timestamp=None, key=message.key, value=message.value, headers=list(message.headers))
    for place, batch in open_batches.items():
        yield MessageBatch(*place, batch)


def size_of(message: Message) -> int:
    """In bytes, and rather too many than too few."""
    headers = sum([len(name) + len(value or b"") for name, value in message.headers])
    return len(message.key or b"") + len(message.value or b"") + headers + MESSAGE_BYTES_EXTRA


def room_for(message: Message) -> int:
    """No less than its size, without the headers' being counted, which would take as long as all that a batch does."""
    return len(message.value or b"") + ATTRIBUTES_BYTES
