"""From the section `kafka`, and those who need it, to the parts of the service."""

from pathlib import Path

from relay.config.kafka import Kafka
from relay.config.sinks import KafkaSink as KafkaSection
from relay.core.delivery import Schedule, Subscription
from relay.errors import ConfigError
from relay.kafka.connection import Connection, quiet_library
from relay.kafka.failures import TlsFileError
from relay.kafka.publisher import Publisher
from relay.kafka.reachability import Log
from relay.shard.ports import Subscriber
from relay.sinks.kafka import KafkaSink

CONCURRENCY = 256  # what is published at once shares requests
RETRY_SECONDS = (0.0, 1.0, 5.0, 30.0, 60.0, 120.0, 300.0, *[600.0] * 453)
"""For 75.6 hours, as long as webhooks. What fails here waits for a person who sets topic or permissions right, and goes
on soon after. A broker that is away costs no attempt; see `sinks.kafka`."""


def connection(section: Kafka) -> Connection:
    """Raises ConfigError: a TLS file that cannot be used."""
    password = section.sasl_password
    made = Connection(
        bootstrap_servers=section.bootstrap_servers,
        client_id=section.client_id,
        security_protocol=section.security_protocol,
        sasl_mechanism=section.sasl_mechanism,
        sasl_username=section.sasl_username,
        sasl_password=None if password is None else password.get_secret_value(),
        sasl_oauth_token_file=_path(section.sasl_oauth_token_file),
        ssl_cafile=_path(section.ssl_cafile),
        ssl_certfile=_path(section.ssl_certfile),
        ssl_keyfile=_path(section.ssl_keyfile),
        ssl_check_hostname=section.ssl_check_hostname,
    )
    try:
        made.client_arguments()
    except TlsFileError as error:
        raise ConfigError(f"kafka.{error}") from error
    return made


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def publisher(section: Kafka | None, log: Log) -> Publisher | None:
    """What all publish with; None: nobody may. Nothing is connected before it is used. Raises ConfigError."""
    if section is None:
        return None
    quiet_library()
    return Publisher(connection(section), log)


def subscriber(section: KafkaSection, subscription: Subscription, publisher: Publisher) -> Subscriber:
    return Subscriber(
        subscription=subscription,
        kind=section.kind,
        sink=KafkaSink(publisher, topic=section.topic, in_binary=section.mode == "binary"),
        schedule=Schedule(retry_seconds=RETRY_SECONDS),
        concurrency=CONCURRENCY,
    )
