"""How the shard's loops wait: never without showing signs of life, and never keeping others waiting for long."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

IDLE_SECONDS = 10.0
ITEMS_AT_ONCE = 200  # a few milliseconds, where each is an account

Item = TypeVar("Item")


async def wait_for(event: asyncio.Event, seconds: float = IDLE_SECONDS) -> None:
    """Return when the event is set, or after so many seconds, 10 at most: a loop that waits must still be seen."""
    if event.is_set():  # as it mostly is under load; a timeout costs more than all else here
        return
    try:
        async with asyncio.timeout(max(0.0, min(seconds, IDLE_SECONDS))):
            await event.wait()
    except TimeoutError:
        pass


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, of which there may be thousands: after every few, whoever else wants the event loop has a turn."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % ITEMS_AT_ONCE == 0:
            await asyncio.sleep(0)
