"""How aiokafka's parts are closed: none of its ways to do so is sure to end, and some end by an error."""

import asyncio
from collections.abc import Awaitable


async def within(seconds: float, closing: Awaitable[object]) -> None:
    """Let it close, for so long. What it raises is of no interest any more."""
    ending = asyncio.ensure_future(closing)
    await asyncio.wait([ending], timeout=seconds)
    ending.cancel()
    if ending.done() and not ending.cancelled():
        ending.exception()  # looked at, so that nobody complains
