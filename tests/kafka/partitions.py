"""Partitions of one ledger topic, each handed out once, and ledgers on them."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from relay.kafka.connection import Connection
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.ledger import KafkaLedger
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.publishing import Publishing, Render
from relay.ledger.kafka.topics import LedgerTopic, ensure

NO_SINKS: Mapping[str, Render] = MappingProxyType({})


class Partitions:
    """`cluster`: None: one of their own, since many tests share a broker."""

    def __init__(self, connection: Connection, topic: LedgerTopic, cluster: str | None = None) -> None:
        self.connection = connection
        self.topic = topic
        self.cluster = cluster or uuid.uuid4().hex
        self._numbers = itertools.count()

    @classmethod
    def create(cls, bootstrap: str, count: int) -> Self:
        connection = Connection(bootstrap_servers=tuple(bootstrap.split(",")))
        name = f"ledger-{uuid.uuid4().hex[:12]}"
        return cls(connection, asyncio.run(ensure(connection, name, partitions=count, create_replicas=1)))

    def take(self) -> int:
        """A partition that nobody has used."""
        return next(self._numbers)

    def at(self, number: int, *, connection: Connection | None = None) -> Partition:
        return Partition(
            connection=connection or self.connection, cluster=self.cluster, topic=self.topic, number=number
        )

    def ledger(
        self,
        folder: Path,
        partition: int | None = None,
        *,
        connection: Connection | None = None,
        still_ours: Callable[[], Awaitable[object]] | None = None,
        sinks: Mapping[str, Render] = NO_SINKS,
    ) -> KafkaLedger:
        """On the partition (None: one that nobody has used), with its image in the folder."""
        number = self.take() if partition is None else partition
        return KafkaLedger(
            self.at(number, connection=connection),
            hold=Sole(Image.of(folder, self.topic, number, now=time.time)),
            still_ours=still_ours or _always,
            publishing=Publishing(sinks),
        )


class Sole:
    """The hold of a ledger that has its image to itself, and opens and closes it."""

    def __init__(self, image: Image) -> None:
        self.image = image

    async def take(self) -> None:
        await self.image.open()

    async def give_back(self) -> None:
        await self.image.close()


async def _always() -> None:
    """It is ours."""
