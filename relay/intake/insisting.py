"""Doing a thing until it is done: the ledger, or the topic of dead letters, may be away or full for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from relay.errors import Reason, RelayError, Unavailable
from relay.kafka.failures import ADVICE, AWAY, KafkaFailure
from relay.kafka.reachability import Log

T = TypeVar("T")

AGAIN_AFTER_SECONDS = 2.0
AGAIN_AFTER_SECONDS_MAX = 5.0
UNSAID = AWAY | {Reason.OVERLOADED, Reason.DRAINING, Reason.LEDGER_UNAVAILABLE}
"""What is no news: it is said by whoever is away, or it is as it should be."""


class Stopped(RelayError):  # noqa: N818 - says what it is
    """It was stopped before it was done."""


class Insisting:
    """`waiting`: called each time that it has to wait."""

    def __init__(self, *, log: Log, waiting: Callable[[], None]) -> None:
        self._log = log
        self._waiting = waiting
        self._stopping = asyncio.Event()
        self._held_up = False

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Whoever waits gives up. Idempotent."""
        self._stopping.set()

    async def rest(self, seconds: float) -> None:
        """So long, or until it is stopped."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        """What the call answers when it has succeeded. Raises Stopped, and what else it raises but being away."""
        while not self.stopping:
            try:
                answer = await call()
            except KafkaFailure as failure:
                self._say(failure.reason, failure.detail)
                await self._wait(AGAIN_AFTER_SECONDS)
            except Unavailable as refusal:
                self._say(refusal.reason, str(refusal))
                await self._wait(min(refusal.retry_after_seconds, AGAIN_AFTER_SECONDS_MAX))
            else:
                self._go_on()
                return answer
        raise Stopped

    async def _wait(self, seconds: float) -> None:
        self._waiting()
        await self.rest(seconds)

    def _say(self, reason: Reason, detail: str) -> None:
        if not self._held_up and reason not in UNSAID:
            self._log.warning("intake.held_up", reason=reason, error=detail, advice=ADVICE.get(reason))
            self._held_up = True

    def _go_on(self) -> None:
        if self._held_up:
            self._log.info("intake.goes_on")
        self._held_up = False
