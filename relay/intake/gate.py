"""What may be in hand at once. Beyond that, callers are asked to come back: nothing queues up without bound."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

from relay.errors import Reason, Unavailable

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one request may be, what all requests together may occupy, and how long anything may take."""

    body_bytes: int = MIB
    body_seconds: float = 30
    submissions: int = 2000
    submissions_bytes: int = 64 * MIB
    waiters: int = 10_000
    streams: int = 1_000
    stream_stalled_seconds: float = 10
    stream_quiet_seconds: float = 15
    idle_seconds: float = 75
    drain_seconds: float = 10


class Gate:
    """Counts what is in hand, and can be closed for good."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._draining = False
        self._submissions = 0
        self._bytes = 0
        self._streams = 0
        self._waits: set[asyncio.Timeout] = set()

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """Take nothing new and answer whoever waits. Idempotent; what is in hand is finished."""
        self._draining = True
        for patience in self._waits:
            if not patience.expired():
                patience.reschedule(0)

    def check_open(self) -> None:
        """Raises Unavailable once draining has begun."""
        if self._draining:
            raise Unavailable(Reason.DRAINING, "this relay is shutting down", 2)

    def enter(self) -> None:
        """Room for a submission, to be left again. Raises Unavailable."""
        self.check_open()
        if self._submissions >= self.bounds.submissions:
            raise Unavailable(Reason.OVERLOADED, f"{self._submissions} submissions are in hand")
        self._submissions += 1

    def hold(self, size: int) -> None:
        """Room for so many bytes of a submission's body. Raises Unavailable."""
        if self._bytes + size > self.bounds.submissions_bytes:
            raise Unavailable(Reason.OVERLOADED, f"{self._bytes} bytes of submissions are in hand")
        self._bytes += size

    def leave(self, held: int) -> None:
        """The submission is answered: give back its room and the bytes it held."""
        self._submissions -= 1
        self._bytes -= held

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Room for one who reads for as long as the context lasts. Raises Unavailable."""
        if self._streams >= self.bounds.streams:
            raise Unavailable(Reason.OVERLOADED, f"{self._streams} streams are being read", 5)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def wait(self, ended: Callable[[float], Awaitable[None]], seconds: float) -> None:
        """Until `ended(seconds)` returns or the time is up; not at all while draining or when too many wait already."""
        if len(self._waits) < self.bounds.waiters:
            await self.rest(partial(ended, seconds), seconds)

    async def rest(self, ended: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Until `ended()` returns or the time is up; not at all while draining."""
        if self._draining:
            return
        patience = asyncio.timeout(seconds)
        try:
            async with patience:
                self._waits.add(patience)
                await ended()
        except TimeoutError:
            pass
        finally:
            self._waits.discard(patience)


class Submission:
    """One submission's room at the gate, as a context manager."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held = 0

    def __enter__(self) -> Self:
        self._gate.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.leave(self._held)

    def hold(self, size: int) -> None:
        self._gate.hold(size)
        self._held += size
