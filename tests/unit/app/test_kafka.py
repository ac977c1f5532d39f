"""From the configuration to what is connected with."""

import pytest

from relay.app import kafka
from relay.config.kafka import Kafka, KafkaLedger
from relay.config.sinks import KafkaSink
from relay.core.delivery import RETRY_SECONDS, Subscription
from relay.errors import ConfigError


def section(**fields):
    return Kafka.model_validate({"bootstrap_servers": "kafka:9092", **fields})


def test_every_key_gets_where_it_belongs(tmp_path):
    made = kafka.connection(
        section(
            client_id="us",
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="u",
            sasl_password="s3cret",
            ssl_check_hostname=False,
        )
    )
    arguments = made.client_arguments()
    assert (arguments["client_id"], arguments["security_protocol"]) == ("us", "SASL_SSL")
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("u", "s3cret")
    assert not arguments["ssl_context"].check_hostname
    token = kafka.connection(
        section(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", sasl_oauth_token_file=str(tmp_path / "t"))
    )
    assert token.sasl_oauth_token_file == tmp_path / "t"


def test_a_file_that_cannot_be_used_is_a_mistake_in_the_configuration(tmp_path):
    with pytest.raises(ConfigError, match=r"kafka\.ssl_cafile: .*absent.pem cannot be used"):
        kafka.connection(section(security_protocol="SSL", ssl_cafile=str(tmp_path / "absent.pem")))


def test_the_ledger_is_all_partitions_of_its_topic():
    ledger = KafkaLedger.model_validate({"kind": "kafka", "path": "/x", "cluster": "blue", "partitions": 3})
    found = kafka.partitions(ledger, "the connection", "the topic")
    assert [one.number for one in found] == [0, 1, 2]
    assert {(one.connection, one.cluster, one.topic) for one in found} == {("the connection", "blue", "the topic")}


def test_without_the_section_nobody_publishes():
    assert kafka.publisher(None, None) is None


def test_a_sink_gives_up_as_late_as_webhooks_do_and_never_waits_long():
    """What fails is put right by a person, and should go on soon after."""
    found = kafka.subscriber(KafkaSink(name="bus", kind="kafka"), Subscription(sink="bus"), publisher=None)
    waits = found.schedule.retry_seconds
    assert sum(waits) >= sum(RETRY_SECONDS)
    assert max(waits) <= 600
    assert found.kind == "kafka"
