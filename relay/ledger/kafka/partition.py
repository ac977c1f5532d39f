"""One partition of the ledger's topic, and how to get there."""

from dataclasses import dataclass

from relay.kafka.connection import Connection
from relay.ledger.kafka.topics import LedgerTopic


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """`cluster`: a name that all replicas share, and nobody else at these brokers has."""

    connection: Connection
    cluster: str
    topic: LedgerTopic
    number: int

    @property
    def name(self) -> str:
        return f"{self.topic.topic.name}/{self.number}"
