"""Requests and attempts that are cut short when it comes into doubt whether they are still ours to make."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Suspension:
    """`lifted`: set while nothing is suspended, as it is at first."""

    def __init__(self) -> None:
        self.lifted = asyncio.Event()
        self.lifted.set()
        self._underway: set[asyncio.Timeout] = set()

    @property
    def suspended(self) -> bool:
        return not self.lifted.is_set()

    def begin(self) -> None:
        """Idempotent."""
        self.lifted.clear()
        for cut in self._underway:
            cut.reschedule(-1.0)
        self._underway.clear()

    def end(self) -> None:
        """Idempotent."""
        self.lifted.set()

    async def unless(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What `call` answers; None: it was not made or was cut short, and nobody knows what has come of it."""
        if self.suspended:
            return None
        cut = asyncio.timeout(None)
        try:
            async with cut:
                self._underway.add(cut)
                return await call()
        except TimeoutError:
            if not cut.expired():
                raise
            return None
        finally:
            self._underway.discard(cut)
