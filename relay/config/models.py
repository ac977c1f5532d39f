"""The whole configuration, as the rest of relay gets it: complete, checked, frozen."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from relay.config.accounts import AccountDefaults, Accounts, Polling
from relay.config.faults import Fault
from relay.config.kafka import Kafka, KafkaIntake, KafkaLedger
from relay.config.sections import Section
from relay.config.server import Server
from relay.config.sinks import Callbacks, KafkaSink, LogSink, Sinks
from relay.config.values import FilePath, Hours
from relay.core.job import EventType

ACCOUNT_REQUIRED = """\
needs at least one account, such as:

accounts:
  - name: acme
    base_url: https://acme.zendesk.com
    auth: {kind: bearer, token: "${ACME_TOKEN}"}"""

KAFKA_EXAMPLE = "{bootstrap_servers: kafka.example.com:9092}"


class SqliteLedger(Section):
    kind: Literal["sqlite"]
    path: FilePath


class Intake(Section):
    kafka: KafkaIntake | None = None


class Events(Section):
    """What events carry. `progress_min_interval_seconds`: per job."""

    results: Literal["full", "errors", "none"] = "full"
    max_bytes: Annotated[int, Field(ge=1_024, le=1_048_576)] = 65_536
    progress_min_interval_seconds: Annotated[float, Field(ge=0, le=3_600)] = 1


class Retention(Section):
    """Counted from the last settled delivery."""

    finished_hours: Hours = 168
    dead_hours: Hours = 336


class Log(Section):
    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Metrics(Section):
    account_label: bool = True


class Config(Section):
    """`polling` holds for jobs whose account is not configured (any more); accounts have their own.

    `server.listen` and `ledger` have no default here: `load` gives them one that looks at the environment.
    """

    server: Server
    account_defaults: AccountDefaults = AccountDefaults()
    accounts_dir: FilePath | None = None  # stands before `accounts`, whose validator looks at it
    accounts: Annotated[Accounts, Field(validate_default=True)] = ()
    ledger: Annotated[SqliteLedger | KafkaLedger, Field(discriminator="kind")]
    kafka: Kafka | None = None
    intake: Intake = Intake()
    sinks: Sinks = (LogSink(kind="log", name="console", events=frozenset(EventType)),)
    callbacks: Callbacks | None = None
    polling: Polling = Polling()
    events: Events = Events()
    retention: Retention = Retention()
    log: Log = Log()
    metrics: Metrics = Metrics()

    @field_validator("accounts")
    @classmethod
    def _some_account(cls, accounts: Accounts, info: ValidationInfo) -> Accounts:
        if not accounts and not info.data.get("accounts_dir"):
            raise ValueError(ACCOUNT_REQUIRED)
        return accounts

    def rules(self) -> Iterable[Fault]:
        users = [f"sinks[{index}]" for index, sink in enumerate(self.sinks) if isinstance(sink, KafkaSink)]
        if self.intake.kafka is not None:
            users.append("intake.kafka")
        if isinstance(self.ledger, KafkaLedger):
            users.append("ledger")
        if users and self.kafka is None:
            yield Fault(path=("kafka",), text=f"is required by {users[0]}, such as {KAFKA_EXAMPLE}")

    @property
    def kafka_intake(self) -> KafkaIntake | None:
        """Where jobs are read from. With a Kafka ledger that is where those of the API go, so it is always there."""
        implied = KafkaIntake() if isinstance(self.ledger, KafkaLedger) else None
        return self.intake.kafka or implied
