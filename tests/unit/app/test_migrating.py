"""Which marks a migration finds topics in, and that every mark that a shard writes has a place."""

import pytest

from relay.app.migrating import check_partitions, mark_rules, topics_read
from relay.core.standstill import mark_of
from relay.errors import ConfigError
from relay.kafka.connection import Connection
from relay.kafka.topics import Topic
from relay.ledger.kafka.partitioning import partition_of
from relay.shard.poller import WAIT_MARK
from relay.shard.renewal import TOKEN_MARK
from relay.shard.writer import PROBE_MARK

NOWHERE = Connection(bootstrap_servers=("127.0.0.1:1",))


def test_topics_are_told_from_the_marks_of_how_far_they_were_read():
    assert topics_read(["intake/b/0", "intake/a.b-c/11", "intake/b/id", "sink/intake", "token:acme"]) == ["a.b-c", "b"]


def test_a_topic_needs_as_many_partitions_as_the_ledger():
    check_partitions(Topic(name="relay.intake", partitions=12), 12)
    with pytest.raises(ConfigError, match=r"relay\.intake has 6 partitions.*12"):
        check_partitions(Topic(name="relay.intake", partitions=6), 12)


@pytest.mark.parametrize(("name", "where"), [
    (f"{TOKEN_MARK}acme", [partition_of("acme", 12)]),
    (f"{WAIT_MARK}acme", [partition_of("acme", 12)]),
    (mark_of("orders"), range(12)),
    (mark_of("callback:https://example.com"), range(12)),
    (PROBE_MARK, ()),
])  # fmt: skip
async def test_every_mark_of_a_shard_has_a_place(name, where):
    """Without an intake from Kafka, no broker is asked."""
    rules = await mark_rules(NOWHERE, {name: b"x"}, intake_topic="relay.intake", partitions=12)
    assert list(rules.partitions_of(name, 12)) == list(where)
