"""The ledger's topic on a real broker: made as it must be, and refused by setting, value and bound where it is not."""

import uuid

import pytest

from relay.errors import LedgerUnusable, Reason
from relay.kafka.connection import Connection
from relay.kafka.failures import KafkaFailure
from relay.ledger.kafka.topics import BEST, RULES, ensure, ensure_both, ensure_intake

GOOD = {setting: rule.value for setting, rule in RULES.items()}


@pytest.fixture
def connection(kafka):
    return Connection(bootstrap_servers=(kafka,))


async def test_a_topic_is_made_as_it_must_be_and_found_again(connection):
    name = f"ledger-{uuid.uuid4().hex[:12]}"
    made = await ensure(connection, name, partitions=3, create_replicas=1)
    assert (made.topic.name, made.topic.partitions) == (name, 3)
    assert made.tombstones_kept_seconds == 86_400
    assert await ensure(connection, name, partitions=3, create_replicas=None) == made
    assert await ensure(connection, name, partitions=3, create_replicas=1) == made


async def test_stricter_settings_are_good(topics, connection):
    stricter = {"segment.ms": "60000", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "172800000"}
    name = await topics.create("ledger", configs=GOOD | stricter)
    found = await ensure(connection, name, partitions=1, create_replicas=None)
    assert found.tombstones_kept_seconds == 172_800


@pytest.mark.parametrize(
    ("setting", "value", "bound"),
    [
        ("cleanup.policy", "delete", "exactly compact"),
        ("cleanup.policy", "compact,delete", "exactly compact"),
        ("segment.ms", "604800000", "at most 600000"),
        ("min.cleanable.dirty.ratio", "0.5", "at most 0.1"),
        ("max.compaction.lag.ms", "9223372036854775807", "at most 1800000"),
        ("delete.retention.ms", "3600000", "at least 86400000"),
        ("max.message.bytes", "1048588", "at least 2097152"),
    ],
)
async def test_another_setting_is_refused(topics, connection, setting, value, bound):
    name = await topics.create("ledger", configs=GOOD | {setting: value})
    with pytest.raises(LedgerUnusable, match=f"topic {name}: {setting} is {value}, and must be {bound}"):
        await ensure(connection, name, partitions=1, create_replicas=1)


async def test_another_number_of_partitions_is_refused_and_all_faults_are_told_at_once(topics, connection):
    name = await topics.create("ledger", partitions=2)
    with pytest.raises(LedgerUnusable, match=r"it has 2 partitions, and must have 3: .*cleanup\.policy is delete"):
        await ensure(connection, name, partitions=3, create_replicas=1)


async def test_a_topic_that_is_not_there_is_not_made_without_leave(topics, connection):
    name = f"ledger-{uuid.uuid4().hex[:12]}"
    with pytest.raises(LedgerUnusable, match=f"there is no topic {name}: create it, with 3 partitions and cleanup"):
        await ensure(connection, name, partitions=3, create_replicas=None)
    assert name not in await topics.names()


async def test_what_cannot_be_made_is_told(connection):
    with pytest.raises(KafkaFailure, match="replication factor"):
        await ensure(connection, f"ledger-{uuid.uuid4().hex[:12]}", partitions=1, create_replicas=5)


async def test_a_broker_that_is_away_is_told(unused_tcp_port):
    nowhere = Connection(bootstrap_servers=(f"127.0.0.1:{unused_tcp_port}",))
    with pytest.raises(KafkaFailure) as told:
        await ensure(nowhere, "ledger", partitions=1, create_replicas=None)
    assert told.value.reason is Reason.CONNECT


async def test_the_intake_is_made_with_as_many_partitions_and_kept_for_a_week(connection):
    name = f"intake-{uuid.uuid4().hex[:12]}"
    made = await ensure_intake(connection, name, partitions=3, create_replicas=BEST)
    assert (made.name, made.partitions) == (name, 3)
    assert await ensure_intake(connection, name, partitions=3, create_replicas=None) == made
    with pytest.raises(LedgerUnusable, match=f"topic {name}: it has 3 partitions, and must have 4"):
        await ensure_intake(connection, name, partitions=4, create_replicas=None)


@pytest.mark.parametrize(
    ("setting", "value", "bound"),
    [("cleanup.policy", "compact", "exactly delete"), ("retention.ms", "86400000", "at least 604800000, or -1")],
)
async def test_an_intake_that_would_lose_jobs_is_refused(topics, connection, setting, value, bound):
    name = await topics.create("intake", configs={setting: value})
    with pytest.raises(LedgerUnusable, match=f"topic {name}: {setting} is {value}, and must be {bound}"):
        await ensure_intake(connection, name, partitions=1, create_replicas=1)


async def test_an_intake_that_is_kept_for_ever_is_good(topics, connection):
    name = await topics.create("intake", configs={"retention.ms": "-1"})
    assert (await ensure_intake(connection, name, partitions=1, create_replicas=None)).name == name


@pytest.mark.parametrize("there", ["ledger", "intake"])
async def test_where_one_of_both_cannot_be_used_the_other_is_not_made(topics, connection, there):
    """It would have the wrong number of partitions, too, and that for good."""
    names = {which: f"{which}-{uuid.uuid4().hex[:12]}" for which in ("ledger", "intake")}
    names[there] = await topics.create(there, partitions=2, configs=GOOD if there == "ledger" else {})
    with pytest.raises(LedgerUnusable, match=f"topic {names[there]}: it has 2 partitions, and must have 3"):
        await ensure_both(connection, names["ledger"], names["intake"], partitions=3)
    assert set(await topics.names()) & set(names.values()) == {names[there]}


async def test_both_are_made_where_there_is_none(connection):
    ledger, intake = f"ledger-{uuid.uuid4().hex[:12]}", f"intake-{uuid.uuid4().hex[:12]}"
    made = await ensure_both(connection, ledger, intake, partitions=3)
    assert (made.topic.name, made.topic.partitions) == (ledger, 3)
    assert (await ensure_intake(connection, intake, partitions=3, create_replicas=None)).partitions == 3
