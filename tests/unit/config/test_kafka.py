"""How to reach Kafka: what belongs together is there together, and nothing that would be ignored."""

import pytest

from relay.config.loading import load
from relay.errors import ConfigError


def section(loaded, keys=""):
    return loaded(f"kafka: {{bootstrap_servers: 'kafka-0:9092, kafka-1:9093', {keys}}}\n").kafka


def faults(loaded, keys):
    with pytest.raises(ConfigError) as raised:
        section(loaded, keys)
    return [line.split(": ", 1)[1] for line in str(raised.value).splitlines()]


def test_addresses_alone_are_enough(loaded):
    found = section(loaded)
    assert found.bootstrap_servers == ("kafka-0:9092", "kafka-1:9093")
    assert (found.client_id, found.security_protocol, found.sasl_mechanism) == ("relay", "PLAINTEXT", None)
    assert found.ssl_check_hostname


@pytest.mark.parametrize(
    "keys",
    [
        "security_protocol: SSL",
        "security_protocol: SSL, ssl_cafile: ca.pem, ssl_certfile: c.pem, ssl_keyfile: k.pem",
        "security_protocol: SSL, ssl_certfile: both.pem, ssl_check_hostname: false",
        "security_protocol: SASL_SSL, sasl_mechanism: SCRAM-SHA-512, sasl_username: u, sasl_password: p",
        "security_protocol: SASL_SSL, sasl_mechanism: SCRAM-SHA-256, sasl_username: u, sasl_password: p",
        "security_protocol: SASL_PLAINTEXT, sasl_mechanism: PLAIN, sasl_username: u, sasl_password: p",
        "security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_oauth_token_file: /run/secrets/token",
    ],
)
def test_every_way_to_sign_in_is_taken(loaded, keys):
    assert section(loaded, keys) is not None


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("security_protocol: SASL_SSL", ["kafka.sasl_mechanism: is required with security_protocol SASL_SSL"]),
        (
            "security_protocol: SASL_SSL, sasl_mechanism: PLAIN",
            [
                "kafka.sasl_password: is required with sasl_mechanism PLAIN",
                "kafka.sasl_username: is required with sasl_mechanism PLAIN",
            ],
        ),
        (
            "security_protocol: SASL_SSL, sasl_mechanism: OAUTHBEARER, sasl_username: u",
            [
                "kafka.sasl_oauth_token_file: is required with sasl_mechanism OAUTHBEARER",
                "kafka.sasl_username: has no use with sasl_mechanism OAUTHBEARER",
            ],
        ),
        ("sasl_mechanism: PLAIN", ["kafka.sasl_mechanism: has no use with security_protocol PLAINTEXT"]),
        ("ssl_cafile: ca.pem", ["kafka.ssl_cafile: has no use with security_protocol PLAINTEXT"]),
        ("security_protocol: SSL, ssl_keyfile: k.pem", ["kafka.ssl_certfile: is required with ssl_keyfile"]),
    ],
)
def test_what_does_not_fit_together_is_told(loaded, keys, told):
    assert sorted(faults(loaded, keys)) == told


@pytest.mark.parametrize("user", ["sinks: [{name: bus, kind: kafka}]", "intake: {kafka: {}}", "ledger: {kind: kafka}"])
def test_whoever_needs_kafka_needs_to_know_where_it_is(loaded, user):
    with pytest.raises(ConfigError, match=r"kafka: is required by (sinks\[0\]|intake.kafka|ledger), such as"):
        loaded(f"{user}\n")


LEDGER = "ledger: {kind: kafka}\nkafka: {bootstrap_servers: 'kafka:9092'}\n"


def test_the_copies_of_a_kafka_ledger_are_where_the_embedded_file_would_be(tmp_path):
    (tmp_path / "config.yaml").write_text(f"accounts_dir: accounts\n{LEDGER}")
    (tmp_path / "accounts").mkdir()
    nowhere, somewhere = (
        load(tmp_path / "config.yaml", environ, files_in=lambda folder: ()).ledger.path
        for environ in ({}, {"RELAY_DATA": "/data"})
    )
    assert (nowhere, somewhere) == (".", "/data")


def test_a_kafka_ledger_reads_the_intake_topic_whether_it_is_named_or_not(loaded):
    assert loaded(LEDGER).kafka_intake.topic == "relay.intake"
    assert loaded(LEDGER + "intake: {kafka: {topic: jobs}}\n").kafka_intake.topic == "jobs"
    assert loaded("").kafka_intake is None
