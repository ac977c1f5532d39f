"""How the shard's loops wait: never without showing signs of life."""

import asyncio

IDLE_SECONDS = 10.0


async def wait_for(event: asyncio.Event, seconds: float = IDLE_SECONDS) -> None:
    """Return when the event is set, or after so many seconds, 10 at most: a loop that waits must still be seen."""
    try:
        async with asyncio.timeout(max(0.0, min(seconds, IDLE_SECONDS))):
            await event.wait()
    except TimeoutError:
        pass
