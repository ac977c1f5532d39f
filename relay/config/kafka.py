"""How to reach Kafka, and what to read from it."""

from typing import Annotated, Literal

from pydantic import Field

from relay.config.addresses import BootstrapServers
from relay.config.sections import Section
from relay.config.values import FilePath, Name, Secret, Text, TopicName


class Kafka(Section):
    """Named after the settings that every Kafka client has."""

    bootstrap_servers: BootstrapServers
    client_id: Name = "relay"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    sasl_username: Text | None = None
    sasl_password: Secret | None = None
    sasl_oauth_token_file: FilePath | None = None
    ssl_cafile: FilePath | None = None
    ssl_certfile: FilePath | None = None
    ssl_keyfile: FilePath | None = None
    ssl_check_hostname: bool = True


class KafkaIntake(Section):
    topic: TopicName = "relay.intake"
    group: Text = "relay"
    dead_letter_topic: TopicName = "relay.intake.dead"


class KafkaLedger(Section):
    kind: Literal["kafka"]
    cluster: Name = "relay"
    topic: TopicName = "relay.ledger"
    partitions: Annotated[int, Field(ge=1, le=1000)] = 12
