"""From the section `kafka`, and those who need it, to the parts of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.config import Config
from relay.config.kafka import Kafka, KafkaLedger
from relay.config.sinks import KafkaSink as KafkaSection
from relay.core.delivery import Schedule, Subscription
from relay.errors import ConfigError
from relay.intake import Observer
from relay.intake.access import Access
from relay.intake.dead_letters import DeadLetters
from relay.intake.kafka import KafkaIntake as Intake
from relay.intake.kafka import Surroundings
from relay.intake.offsets import Offsets
from relay.intake.taking import Taking, Tracker
from relay.kafka.connection import Connection, quiet_library
from relay.kafka.failures import TlsFileError
from relay.kafka.publisher import Publisher
from relay.kafka.reachability import Log
from relay.kafka.source import Source
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.topics import LedgerTopic
from relay.shard.ports import Subscriber
from relay.sinks.kafka import KafkaSink

CONCURRENCY = 256  # what is published at once shares requests
RETRY_SECONDS = (0.0, 1.0, 5.0, 30.0, 60.0, 120.0, 300.0, *[600.0] * 453)
"""For 75.6 hours, as long as webhooks. What fails here waits for a person who sets topic or permissions right, and goes
on soon after. A broker that is away costs no attempt; see `sinks.kafka`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What an intake works with."""

    jobs: Tracker
    access: Access
    observer: Observer
    around: Surroundings


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


def partitions(section: KafkaLedger, connection: Connection, topic: LedgerTopic) -> Sequence[Partition]:
    """All that the ledger has, in order. `topic`: as the brokers have it."""
    return [
        Partition(connection=connection, cluster=section.cluster, topic=topic, number=number)
        for number in range(section.partitions)
    ]


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


def intake(config: Config, publisher: Publisher | None, desk: Desk, marks: Mapping[str, bytes]) -> Intake | None:
    """What reads jobs from a topic; None: nothing does. `marks`: all that the ledger has. Raises ConfigError."""
    section = config.kafka_intake
    if section is None or config.kafka is None or publisher is None:
        return None
    log = desk.around.log
    dead_letters = DeadLetters(publisher.publish, topic=section.dead_letter_topic, source=section.topic)
    return Intake(
        source=Source(connection(config.kafka), topic=section.topic, group=section.group, log=log),
        offsets=Offsets(section.topic, marks),
        taking=Taking(jobs=desk.jobs, rules=desk.access, dead_letters=dead_letters, observer=desk.observer, log=log),
        around=desk.around,
    )
