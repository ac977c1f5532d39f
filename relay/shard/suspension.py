"""Requests and attempts that are cut short when it comes into doubt whether they are still ours to make."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from relay.interruption import Interrupted, Interruptible

T = TypeVar("T")


class Suspension:
    """`lifted`: set while nothing is suspended, as it is at first."""

    def __init__(self) -> None:
        self.lifted = asyncio.Event()
        self.lifted.set()
        self._underway = Interruptible()

    @property
    def suspended(self) -> bool:
        return not self.lifted.is_set()

    def begin(self) -> None:
        """Idempotent."""
        self.lifted.clear()
        self._underway.interrupt_all()

    def end(self) -> None:
        """Idempotent."""
        self.lifted.set()

    async def unless(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What `call` answers; None: it was not made or was cut short, and nobody knows what has come of it."""
        if self.suspended:
            return None
        try:
            with self._underway:
                return await call()
        except Interrupted:
            return None
