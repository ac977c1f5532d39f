"""What a partition's shard is made of: its accounts, and its share of what receivers put up with."""

from types import SimpleNamespace

import pytest

from relay.app.partition_parts import PartitionParts, Site, shares
from relay.config import Config
from relay.config.kafka import KafkaIntake, KafkaLedger
from relay.core.delivery import Schedule, Subscription
from relay.errors import LedgerError
from relay.ledger.kafka.partitioning import partition_of
from relay.shard.ports import Polling, Subscriber

PARTITIONS = 4
NAMES = [f"acme-{number}" for number in range(8)]


def subscriber(kind="webhook", *, concurrency=8, rate=None):
    subscription = Subscription(sink="orders")
    return Subscriber(
        subscription=subscription,
        sink=None,
        schedule=Schedule(),
        concurrency=concurrency,
        kind=kind,
        rate_per_second=rate,
    )


@pytest.mark.parametrize(("concurrency", "share"), [(8, 2), (9, 3), (1, 1)])
def test_all_partitions_together_send_no_more_at_once_than_is_configured(concurrency, share):
    [found] = shares([subscriber(concurrency=concurrency)], PARTITIONS)
    assert found.concurrency == share


def test_all_partitions_together_send_no_faster_than_is_configured():
    limited, unlimited = shares([subscriber(rate=10), subscriber()], PARTITIONS)
    assert (limited.rate_per_second, unlimited.rate_per_second) == (2.5, None)


def test_the_ledger_publishes_to_kafka_itself():
    bus, hook = shares([subscriber("kafka"), subscriber("webhook")], PARTITIONS)
    assert (bus.subscription.in_ledger, hook.subscription.in_ledger) == (True, False)
    assert bus.concurrency == 8, "what is in arrears shares commits"


@pytest.fixture
def parts():
    config = Config.model_validate(
        {
            "server": {"listen": "127.0.0.1:0"},
            "ledger": {"kind": "kafka", "path": "x", "partitions": PARTITIONS},
            "kafka": {"bootstrap_servers": "kafka:9092"},
            "accounts": [
                {"name": name, "base_url": f"https://{name}.zendesk.com", "auth": {"kind": "bearer", "token": "demo"}}
                for name in NAMES
            ],
        }
    )
    ledger = KafkaLedger(kind="kafka", path="x", partitions=PARTITIONS)
    site = Site(connection=None, publisher=None, ledger=ledger, intake=KafkaIntake(), topic=None)
    tools = SimpleNamespace(config=config, session=None, subscribers=())
    return PartitionParts(tools, site, images=None, feeds=(), membership=None)


def test_each_account_is_watched_in_one_partition_its_own(parts):
    dealt = {number: [one.name for one in parts.of_partition(number, parts.accounts.values())] for number in range(4)}
    assert dealt == {number: [name for name in NAMES if partition_of(name, 4) == number] for number in range(4)}


def test_accounts_that_come_and_go_are_known_to_shards_that_are_made_later(parts):
    changed = parts.accounts["acme-1"]
    parts.configure([changed], ["acme-0"], Polling())
    assert set(parts.accounts) == set(NAMES) - {"acme-0"}


def test_a_shard_that_was_made_before_a_change_of_the_configuration_is_made_anew(parts):
    """It was not told of the change, since it was not at work yet."""
    parts.made(2)
    parts.configure([], ["acme-0"], Polling())
    with pytest.raises(LedgerError, match="configuration was changed"):
        parts.intake(2, None, {}, lambda loop: None)
