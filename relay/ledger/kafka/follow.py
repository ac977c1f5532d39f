"""Keeps the image of a partition at its end while somebody else owns it, however long brokers are away."""

import asyncio
from typing import Never

from relay.errors import LedgerError, RelayError
from relay.kafka.failures import ADVICE, KafkaFailure
from relay.kafka.reachability import Log
from relay.kafka.reader import OutOfRange
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.tail import Illegible, Tail

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.5, 10.0


class Outages:
    """Which partitions cannot be followed: told to the log when there is one, and when there is none any more."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._partitions: set[int] = set()

    def began(self, partition: int, error: RelayError) -> None:
        if not self._partitions:
            advice = ADVICE.get(error.reason) if isinstance(error, KafkaFailure) else None
            self._log.warning("ledger.not_followed", partition=partition, error=str(error), advice=advice)
        self._partitions.add(partition)

    def ended(self, partition: int) -> None:
        if partition in self._partitions:
            self._partitions.remove(partition)
            if not self._partitions:
                self._log.info("ledger.followed")


class Follower:
    """Of one partition. The image is open, and nobody else's, while it runs."""

    def __init__(self, partition: Partition, image: Image, outages: Outages) -> None:
        self._number = partition.number
        self._image = image
        self._tail = Tail(partition, image)
        self._outages = outages
        self._pause = PAUSE_SECONDS_MIN

    async def run(self) -> Never:
        """Until it is cancelled. Raises Illegible: a newer relay has written here."""
        while True:
            try:
                await self._follow()
            except Illegible:
                raise
            except (KafkaFailure, LedgerError, OutOfRange) as error:
                self._outages.began(self._number, error)
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)

    async def _follow(self) -> Never:
        await self._image.open()  # it is closed where it could not start over
        try:
            await self._tail.follow(self._going_on)
        except OutOfRange:  # the image is of a log that has been lost, at least in part
            await self._image.start_over()
            raise

    def _going_on(self) -> None:
        self._pause = PAUSE_SECONDS_MIN
        self._outages.ended(self._number)
