"""The start of a replica: it waits until its images show all that was recorded by then."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from relay.errors import LedgerError, LedgerUnusable
from relay.shard.ports import Log

TELL_SECONDS = 10.0
AGAIN_SECONDS = 2.0


class Image(Protocol):
    @property
    def is_current(self) -> bool: ...


class Images(Protocol):
    """`current`: set while each has been read to its end once. `all`: by partition."""

    current: asyncio.Event

    @property
    def all(self) -> Sequence[Image]: ...


async def loaded(
    images: Images, following: asyncio.Task[None], live_jobs: Callable[[], Awaitable[Mapping[str, int]]], log: Log
) -> int:
    """How many jobs live, once all is read. What takes long is told now and then.

    `following`: reads them; what it raises is raised. Raises LedgerUnusable.
    """
    while True:
        await _caught_up(images, following, log)
        try:
            return sum((await live_jobs()).values())
        except LedgerUnusable:
            raise
        except LedgerError:  # an image was damaged meanwhile, and is read anew
            await asyncio.sleep(AGAIN_SECONDS)


async def _caught_up(images: Images, following: asyncio.Task[None], log: Log) -> None:
    current = asyncio.create_task(images.current.wait())
    try:
        while not await _first({following, current}):
            behind = [number for number, image in enumerate(images.all) if not image.is_current]
            log.info("ledger.loading", partitions=behind)
    finally:
        current.cancel()
    if following.done():
        following.result()


async def _first(tasks: set[asyncio.Task[None] | asyncio.Task[bool]]) -> bool:
    """Whether one has ended, before it is time to tell."""
    done, _ = await asyncio.wait(tasks, timeout=TELL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)
