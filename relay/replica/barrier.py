"""Waits until an image shows what was asked for by now, wherever that was.

A client may submit a job to one replica and look for it on another in the next moment. Whatever is not known there is
looked for again, behind this.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from relay.errors import Reason, Unavailable
from relay.kafka.failures import KafkaFailure
from relay.replica.asking import Asking

ANSWER_SECONDS_MAX = 1.0
SHOWN_SECONDS_MAX = 2.0
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.01, 0.2


class Marks(Protocol):
    async def marks_of(self, partition: int) -> Mapping[str, bytes]:
        """Of its image. May raise LedgerError."""


class Barrier:
    """`end`: of a partition of the intake topic, asked of the brokers. Raises KafkaFailure."""

    def __init__(self, *, end: Callable[[int], Awaitable[int]], rows: Marks, asking: Asking) -> None:
        self._end = end
        self._rows = rows
        self._asking = asking

    async def passed(self, partition: int) -> None:
        """Return when the image shows all that stands there now, or at once if the brokers do not say what that is.

        Raises Unavailable: somebody has asked for something that nobody has recorded yet. May raise LedgerError.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                end = await self._end(partition)
        except (KafkaFailure, TimeoutError):
            return
        try:
            async with asyncio.timeout(SHOWN_SECONDS_MAX):
                await self._shown(partition, end)
        except TimeoutError:
            detail = "there are requests that are not recorded yet: what is not known now may be in a moment"
            raise Unavailable(Reason.LEDGER_UNAVAILABLE, detail) from None

    async def _shown(self, partition: int, end: int) -> None:
        pause = PAUSE_SECONDS_MIN
        while self._asking.reached(partition, await self._rows.marks_of(partition)) < end:
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
