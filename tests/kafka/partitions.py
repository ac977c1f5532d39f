"""Partitions of one ledger topic, each handed out once, and ledgers on them."""

import asyncio
import itertools
import time
import uuid
from pathlib import Path
from typing import Self

from relay.kafka.connection import Connection
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.ledger import KafkaLedger
from relay.ledger.kafka.topics import LedgerTopic, ensure


class Partitions:
    def __init__(self, connection: Connection, topic: LedgerTopic) -> None:
        self.connection = connection
        self.topic = topic
        self.cluster = uuid.uuid4().hex  # nobody else's producers at a broker that many tests share
        self._numbers = itertools.count()

    @classmethod
    def create(cls, bootstrap: str, count: int) -> Self:
        connection = Connection(bootstrap_servers=tuple(bootstrap.split(",")))
        name = f"ledger-{uuid.uuid4().hex[:12]}"
        return cls(connection, asyncio.run(ensure(connection, name, partitions=count, create_replicas=1)))

    def take(self) -> int:
        """A partition that nobody has used."""
        return next(self._numbers)

    def ledger(
        self, folder: Path, partition: int | None = None, *, connection: Connection | None = None
    ) -> KafkaLedger:
        """On the partition (None: one that nobody has used), with its image in the folder."""
        number = self.take() if partition is None else partition
        return KafkaLedger(
            connection or self.connection,
            cluster=self.cluster,
            topic=self.topic,
            partition=number,
            image=Image.of(folder, self.topic, number, now=time.time),
        )
