"""How aiokafka's parts are started and closed: none of its ways to do so is sure to end, and some end by an error."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

START_SECONDS_MORE = 1.0


async def within(seconds: float, closing: Awaitable[object]) -> None:
    """Let it close, for so long. What it raises is of no interest any more."""
    ending = asyncio.ensure_future(closing)
    await asyncio.wait([ending], timeout=seconds)
    ending.cancel()
    if ending.done() and not ending.cancelled():
        ending.exception()  # looked at, so that nobody complains


async def start_within(
    seconds: float, start: Coroutine[Any, Any, object], end: Callable[[], Awaitable[object]]
) -> None:
    """Let it start, for so long. Where it does not, or whoever waits gives up, it is ended when this raises.

    `end`: bounded. What is cancelled in the midst of its start leaves connections open that nobody knows, so it has a
    moment more.
    """
    starting = asyncio.create_task(start)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(starting)
    except BaseException:
        await undisturbed(_given_up(starting, end))
        raise


async def _given_up(starting: asyncio.Task[object], end: Callable[[], Awaitable[object]]) -> None:
    await within(START_SECONDS_MORE, starting)
    await end()


async def undisturbed(ending: Coroutine[Any, Any, None]) -> None:
    """Let it end, which must be bounded; also where whoever waits is cancelled, again and again, meanwhile."""
    task = asyncio.create_task(ending)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody complains
        raise asyncio.CancelledError
    task.result()
