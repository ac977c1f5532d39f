"""How to reach Kafka: what belongs together is there together, and nothing that would be ignored."""

import pytest

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


@pytest.mark.parametrize("user", ["sinks: [{name: bus, kind: kafka}]", "intake: {kafka: {}}"])
def test_whoever_needs_kafka_needs_to_know_where_it_is(loaded, user):
    with pytest.raises(ConfigError, match=r"kafka: is required by (sinks\[0\]|intake.kafka), such as \{bootstrap"):
        loaded(f"{user}\n")
