"""The only place that reads the time."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

SLEW = 0.1  # how much faster or slower than real time the wall clock may run while it approaches a changed system clock


class Clock(Protocol):
    def now(self) -> float:
        """Wall clock, seconds since the epoch. It never jumps, so ages and due times may be told from it."""

    def monotonic(self) -> float:
        """For intervals that must be exact, such as the spacing of requests. Seconds from an arbitrary origin."""

    def system(self) -> float:
        """The system's wall clock as it is, for time stamps that others compare with theirs. It may jump."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """Real time. A system clock that is set while the service runs is approached by slewing, as NTP does.

    So a wall clock that jumps by a day neither expires every job nor sends every waiting delivery at once.
    `system`, `monotonic`: where the time comes from, in seconds.
    """

    def __init__(
        self, *, system: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._system = system
        self.monotonic = monotonic
        self._now = system()
        self._read_at = monotonic()

    def now(self) -> float:
        ticks = self.monotonic()
        elapsed = ticks - self._read_at
        self._read_at = ticks
        self._now += elapsed
        lag = self._system() - self._now
        self._now += max(-SLEW * elapsed, min(SLEW * elapsed, lag))
        return self._now

    def system(self) -> float:
        return self._system()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
