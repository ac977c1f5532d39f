"""Records in batches: in order, by key, and none too large; the batches are aiokafka's own."""

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from relay.core.events import render, source_of
from relay.core.job import Job
from relay.core.observe import give_up
from relay.kafka.producer import Record as Message
from relay.ledger.kafka.batches import MESSAGES_BYTES_MAX, of_messages, of_rows, room_for, size_of
from relay.ledger.kafka.partitioning import partition_of_key
from relay.ledger.kafka.records import Record
from relay.sinks.kafka import record_of

LARGE = 512 * 1024


def empty():
    return BatchBuilder(LARGE, 0, is_transactional=True)


def contents(batch):
    return [(record.key, record.value) for record in DefaultRecordBatch(bytes(batch._build()))]


def message(key, value=b"{}", topic="events"):
    return Message(topic=topic, key=key, value=value, headers=[("ce_id", b"1")])


def test_rows_keep_their_order_over_as_many_batches_as_they_need():
    records = [Record(b"%d" % number, b"x" * 100_000) for number in range(12)]
    batches = list(of_rows(empty, records))
    assert [len(contents(batch)) for batch in batches] == [5, 5, 2]
    assert [each for batch in of_rows(empty, records) for each in contents(batch)] == records


def test_a_row_that_does_not_fit_has_a_batch_of_its_own():
    records = [Record(b"a", b"1"), Record(b"b", b"x" * 2 * LARGE), Record(b"c", None)]
    assert [len(contents(batch)) for batch in of_rows(empty, records)] == [1, 1, 1]


def test_messages_go_where_their_key_says_and_keep_their_order_there():
    messages = [message(b"job/%d" % (number % 7), b"%d" % number) for number in range(50)]
    numbers = (0, 1, 2)
    found = {partition: contents(batch) for _, partition, batch in of_messages(empty, messages, {"events": numbers})}
    for partition in numbers:
        expected = [(one.key, one.value) for one in messages if partition_of_key(one.key, 3) == partition]
        assert found.get(partition, []) == expected


def test_topics_do_not_mix():
    messages = [message(b"a", topic="events"), message(b"a", topic="audit")]
    batches = list(of_messages(empty, messages, {"events": (0,), "audit": (0,)}))
    assert [(batch.topic, len(contents(batch.batch))) for batch in batches] == [("events", 1), ("audit", 1)]


@pytest.mark.parametrize("size", [500, 20_000, MESSAGES_BYTES_MAX, 3 * MESSAGES_BYTES_MAX])
def test_no_batch_of_messages_is_too_large_unless_it_holds_only_one(size):
    messages = [message(b"a", b"x" * size) for _ in range(20)]
    batches = [batch for _, _, batch in of_messages(empty, messages, {"events": (0,)})]
    sizes = [(len(batch._build()), len(contents(batch))) for batch in batches]
    assert sum(count for _, count in sizes) == 20
    assert all(bytes_ <= MESSAGES_BYTES_MAX or count == 1 for bytes_, count in sizes)


def test_the_size_that_is_told_of_a_message_is_never_less_than_what_it_takes():
    """Of one whose attributes are as long as they may be: an account's name, an id, a host."""
    job = Job(account="a" * 64, id="i" * 128, tracked_at=1_770_105_600.123, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    lost = give_up(job, 1_770_105_900.0)
    rendered = render(lost, lost.events[-1], source_of(f"https://{'h' * 253}:65535"))
    one = record_of(rendered, topic="events", in_binary=True)
    batch = empty()
    batch.append(timestamp=None, key=one.key, value=one.value, headers=list(one.headers))
    assert 1_000 + len(one.value) < len(batch._build()) <= size_of(one) <= room_for(one)
