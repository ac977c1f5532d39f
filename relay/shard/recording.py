"""Records how attempts ended: all that ended while the last ones were being recorded go together."""

import asyncio
from collections.abc import Callable, Sequence

from relay.errors import Unavailable
from relay.shard.claims import Underway
from relay.shard.settling import Change, Settle, Together
from relay.shard.writer import Writer


class Recording:
    """`recorded`: called with what is done with, so that others may claim it."""

    def __init__(self, *, writer: Writer, recorded: Callable[[Sequence[Underway]], None]) -> None:
        self._writer = writer
        self._recorded = recorded
        self._ended: list[Settle | Change] = []
        self._running = False

    def add(self, intent: Settle | Change, tasks: asyncio.TaskGroup) -> None:
        self._ended.append(intent)
        if not self._running:
            self._running = True
            tasks.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._ended:
                ended, self._ended = self._ended, []
                await self._record(Together(intents=ended))
                self._recorded([intent.underway for intent in ended])
        finally:
            self._running = False

    async def _record(self, together: Together) -> None:
        """However long the ledger takes: what a sink has taken should not be sent twice."""
        while True:
            try:
                await self._writer.submit(together)
            except Unavailable as refusal:
                if self._writer.draining:
                    return
                await asyncio.sleep(min(refusal.retry_after_seconds, 1.0))
                await self._writer.healthy.wait()
            else:
                return
