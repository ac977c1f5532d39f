"""Who writes to an image: whoever follows the partition, or its owner in this process while there is one."""

import asyncio
from contextlib import suppress
from typing import Never

from relay.ledger.kafka.follow import Follower, Outages
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.partition import Partition

CANCEL_SECONDS = 1.0
CLOSE_SECONDS_MAX = 10.0


class Custody:
    """Of one image. Its follower gives way to an owner, and goes on after it."""

    def __init__(self, partition: Partition, image: Image, outages: Outages) -> None:
        self.partition = partition
        self.image = image
        self._follower = Follower(partition, image, outages)
        self._turn = asyncio.Lock()
        self._free, self._wanted = asyncio.Event(), asyncio.Event()
        self._free.set()

    async def follow(self) -> Never:
        """Until it is cancelled. Raises Illegible: see Follower."""
        while True:
            await self._free.wait()
            async with self._turn:
                await self._follow()

    async def _follow(self) -> None:
        """Until somebody wants it."""
        following, wanted = asyncio.create_task(self._follower.run()), asyncio.create_task(self._wanted.wait())
        try:
            await asyncio.wait({following, wanted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()
            while not following.done():  # an error on its way may have taken the place of the first of these
                following.cancel()
                await asyncio.wait({following}, timeout=CANCEL_SECONDS)
        if not following.cancelled():
            following.result()

    async def take(self) -> None:
        """On return, it is not followed, and its image belongs to whoever called, until `give_back`."""
        self._free.clear()
        self._wanted.set()
        try:
            await self._turn.acquire()
        except BaseException:
            self._let_go_on()
            raise

    def give_back(self) -> None:
        self._turn.release()
        self._let_go_on()

    def _let_go_on(self) -> None:
        self._wanted.clear()
        self._free.set()

    async def close(self) -> None:
        """Idempotent, bounded. It is not followed again."""
        self._free.clear()
        self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS_MAX), self._turn:
                await self.image.close()
        await self.image.close()


class Claim:
    """An owner's claim to the image. Calls are idempotent."""

    def __init__(self, custody: Custody) -> None:
        self.image = custody.image
        self._custody = custody
        self._taken = False

    async def take(self) -> None:
        """On return, nobody else writes to the image, and it is open. Raises LedgerUnusable: it cannot be."""
        if not self._taken:
            await self._custody.take()
            self._taken = True
        await self.image.open()

    async def give_back(self) -> None:
        """Safe before `take`."""
        if self._taken:
            self._taken = False
            self._custody.give_back()
