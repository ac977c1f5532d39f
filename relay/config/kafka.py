"""How to reach Kafka, and what to read from it."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from relay.config.addresses import BootstrapServers
from relay.config.faults import Fault
from relay.config.sections import Section
from relay.config.values import FilePath, Name, Secret, Text, TopicName

PASSWORD = frozenset({"sasl_username", "sasl_password"})
OAUTH = frozenset({"sasl_oauth_token_file"})


class Kafka(Section):
    """Named after the settings that every Kafka client has.

    `ssl_certfile`: the client's certificate, and its key where there is no `ssl_keyfile`.
    """

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

    def rules(self) -> Iterable[Fault]:
        yield from self._sasl_rules()
        if not self.security_protocol.endswith("SSL"):
            for key in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
                if getattr(self, key) is not None:
                    yield Fault(path=(key,), text=f"has no use with security_protocol {self.security_protocol}")
        elif self.ssl_keyfile is not None and self.ssl_certfile is None:
            yield Fault(path=("ssl_certfile",), text="is required with ssl_keyfile")

    def _sasl_rules(self) -> Iterable[Fault]:
        needed, choice = set[str](), f"security_protocol {self.security_protocol}"
        if self.security_protocol.startswith("SASL"):
            needed.add("sasl_mechanism")
            if self.sasl_mechanism is not None:
                choice = f"sasl_mechanism {self.sasl_mechanism}"
                needed |= OAUTH if self.sasl_mechanism == "OAUTHBEARER" else PASSWORD
        for key in ("sasl_mechanism", *sorted(PASSWORD | OAUTH)):
            if key in needed and getattr(self, key) is None:
                yield Fault(path=(key,), text=f"is required with {choice}")
            elif key not in needed and getattr(self, key) is not None:
                yield Fault(path=(key,), text=f"has no use with {choice}")


class KafkaIntake(Section):
    topic: TopicName = "relay.intake"
    group: Text = "relay"
    dead_letter_topic: TopicName = "relay.intake.dead"


class KafkaLedger(Section):
    """`cluster`: a name that all replicas share. `path`: the folder of the local copies, which may be lost."""

    kind: Literal["kafka"]
    cluster: Name = "relay"
    topic: TopicName = "relay.ledger"
    partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    path: FilePath
