"""The record of all partitions, read from their images.

What concerns one account is asked of its own partition; what concerns many is asked of all, and put in order.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import TypeVar

from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Cursor, Job, JobKey
from relay.core.record import Backlog, DeliveryFilter
from relay.errors import LedgerError
from relay.ledger.jobs import live_accounts
from relay.ledger.kafka.image import Image
from relay.ledger.kafka.partitioning import partition_of

T = TypeVar("T")
K = TypeVar("K")

LIVE_PAGE = 10_000  # commits have their turn in between


class Merged:
    """The reading half of a `Ledger`, with the same order and bounds. `images`: by partition.

    Any call raises LedgerError while an image that it asks was not read to its end yet: what is recorded must not seem
    unknown.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images

    async def find(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
        async def of(image: Image, own: Collection[JobKey]) -> Mapping[JobKey, Job]:
            return await image.rows.find(own)

        found = await self._of_accounts(of, keys, account=lambda key: key.account)
        return dict(chain.from_iterable(each.items() for each in found))

    async def deliveries_of(self, job: Job) -> Sequence[Delivery]:
        return await self._of(job.account).rows.deliveries_of(job)

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]:
        async def of(image: Image, own: Collection[str] | None) -> Sequence[Job]:
            return await image.rows.page(accounts=own, state=state, after=after, limit=limit)

        if accounts is None:
            pages = await self._of_all(lambda image: of(image, None))
        else:
            pages = await self._of_accounts(of, accounts, account=str)
        return _newest(pages, lambda job: (job.tracked_at, job.account, job.id), limit)

    async def delivery(self, key: DeliveryKey) -> tuple[Delivery, Job] | None:
        return await self._of(key.account).rows.delivery(key)

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        pages = await self._of_all(lambda image: image.rows.deliveries(wanted, after, limit))
        return _newest(pages, lambda row: row[0].key, limit)

    async def backlog(self) -> Mapping[str, Backlog]:
        backlogs: dict[str, Backlog] = {}
        for each in await self._of_all(lambda image: image.rows.backlog()):
            for endpoint, backlog in each.items():
                backlogs[endpoint] = backlogs.get(endpoint, Backlog()) + backlog
        return backlogs

    async def live_jobs(self) -> Mapping[str, int]:
        """How many jobs have not ended, by account."""
        return sum(await self._of_all(_live_jobs), Counter[str]())

    async def size_bytes(self) -> int:
        """What all images take on disk."""
        return sum(await self._of_all(lambda image: image.rows.size_bytes()))

    async def marks(self) -> Mapping[int, Mapping[str, bytes]]:
        """By partition."""
        return dict(enumerate(await self._of_all(lambda image: image.marks())))

    async def marks_of(self, partition: int) -> Mapping[str, bytes]:
        return await self._current(partition).marks()

    def _of(self, account: str) -> Image:
        return self._current(partition_of(account, len(self._images)))

    def _current(self, partition: int) -> Image:
        image = self._images[partition]
        if not image.is_current:
            raise LedgerError(f"partition {partition} of the ledger has not been read to its end yet")
        return image

    async def _of_all(self, read: Callable[[Image], Awaitable[T]]) -> Sequence[T]:
        images = [self._current(partition) for partition in range(len(self._images))]
        return await asyncio.gather(*map(read, images))

    async def _of_accounts(
        self, read: Callable[[Image, Collection[K]], Awaitable[T]], items: Iterable[K], *, account: Callable[[K], str]
    ) -> Sequence[T]:
        """`account`: whose an item is."""
        own: dict[int, list[K]] = {}
        for item in items:
            own.setdefault(partition_of(account(item), len(self._images)), []).append(item)
        images = [self._current(partition) for partition in own]
        return await asyncio.gather(*map(read, images, own.values()))


async def _live_jobs(image: Image) -> Counter[str]:
    counts: Counter[str] = Counter()
    after = 0
    while page := await image.rows.run(live_accounts, after, LIVE_PAGE):
        counts.update(account for account, _ in page)
        _, after = page[-1]
    return counts


def _newest(pages: Iterable[Sequence[T]], key: Callable[[T], tuple[object, ...]], limit: int) -> Sequence[T]:
    """Of pages that each begin with the greatest key."""
    return list(islice(heapq.merge(*pages, key=key, reverse=True), limit))
