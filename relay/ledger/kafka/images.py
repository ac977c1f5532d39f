"""An image of every partition of the ledger, each kept at its end: by following it, or by its owner in this process.

So any replica answers any read, and takes over a partition without reading all of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.core.job import Job
from relay.kafka.reachability import Log
from relay.ledger.kafka.custody import Claim, Custody
from relay.ledger.kafka.follow import Outages
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.ledger import KafkaLedger
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.publishing import Publishing


class Images:
    """Open them, then `run` until they are closed.

    `partitions`: all that the topic has, in order. `folder`: where the files are; exists. `now`: wall clock.
    `publishing`: what owners publish with.

    `current`: set while each image has been read to its end once; from then on they lag by moments, unless the brokers
    are away. `reached`: called with a partition and the position of its newest event when its image has been read to
    its end for the first time, also after it had to be read anew. `changed`: called with a partition and the rows that
    its image has got since then. Both are called by whoever writes to the image, at once: they must be quick.
    """

    def __init__(
        self,
        partitions: Sequence[Partition],
        *,
        folder: Path,
        publishing: Publishing,
        now: Callable[[], float],
        log: Log,
    ) -> None:
        self.current = asyncio.Event()
        self.reached: Callable[[int, int], None] = _nobody
        self.changed: Callable[[int, Sequence[Job]], None] = _nobody
        self._publishing = publishing
        self._closed = asyncio.Event()
        outages = Outages(log)
        images = [
            Image.of(folder, each.topic, each.number, now=now, listener=_Ear(images=self, partition=each.number))
            for each in partitions
        ]
        self._custodies = {
            partition.number: Custody(partition, image, outages)
            for partition, image in zip(partitions, images, strict=True)
        }
        self.all: Sequence[Image] = images

    async def open(self) -> None:
        """Raises LedgerUnusable: another process has one of them, or there can be no file."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for image in self.all:
                    tasks.create_task(image.open())
        except BaseException as raised:
            await self.close()
            if isinstance(raised, ExceptionGroup):
                raise raised.exceptions[0] from None
            raise

    async def run(self) -> None:
        """Returns when they are closed. Raises LedgerUnusable: a newer relay has written what this one cannot read."""
        try:
            async with asyncio.TaskGroup() as tasks:
                following = [tasks.create_task(custody.follow()) for custody in self._custodies.values()]
                await self._closed.wait()
                for each in following:
                    each.cancel()
        except ExceptionGroup as raised:
            raise raised.exceptions[0] from None

    async def close(self) -> None:
        """Idempotent, bounded. The ledgers on them are to be closed before."""
        self._closed.set()
        await asyncio.gather(*(custody.close() for custody in self._custodies.values()))

    def ledger(self, partition: int, still_ours: Callable[[], Awaitable[object]]) -> KafkaLedger:
        """To own the partition by. From its `open` to its `close`, the partition is not followed.

        `still_ours`: see KafkaLedger.
        """
        custody = self._custodies[partition]
        return KafkaLedger(custody.partition, hold=Claim(custody), still_ours=still_ours, publishing=self._publishing)

    def heard(self, partition: int, newest: int) -> None:
        """Of an image that has come to its end."""
        if all(image.is_current for image in self.all):
            self.current.set()
        self.reached(partition, newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ear:
    """Hears of one image."""

    images: Images
    partition: int

    def begun(self) -> None:
        self.images.current.clear()

    def current(self, newest: int) -> None:
        self.images.heard(self.partition, newest)

    def changed(self, jobs: Sequence[Job]) -> None:
        self.images.changed(self.partition, jobs)


def _nobody(partition: int, what: object) -> None:
    """Hears of it."""
