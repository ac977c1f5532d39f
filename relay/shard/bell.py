"""Wakes all who wait for something to come, however many they are and however fast it comes."""

import asyncio
import math

SECONDS_EACH = 0.0004  # some five times what it costs to wake one reader


class Bell:
    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._waiting = 0
        self._ringing: asyncio.TimerHandle | None = None
        self._rung_at = -math.inf  # event loop's time

    async def wait(self) -> None:
        """Until it rings."""
        self._waiting += 1
        try:
            await self._rung.wait()
        finally:
            self._waiting -= 1

    def ring(self) -> None:
        """At once, unless it has just rung: however fast events come, most of the time is left to others."""
        if self._waiting and self._ringing is None:
            loop = asyncio.get_running_loop()
            due_at = self._rung_at + self._waiting * SECONDS_EACH
            self._ringing = loop.call_at(max(due_at, loop.time()), self._ring)

    def _ring(self) -> None:
        self._ringing = None
        self._rung_at = asyncio.get_running_loop().time()
        self._rung.set()
        self._rung = asyncio.Event()
