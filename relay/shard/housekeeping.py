"""Ends the jobs that are too old, and has the ledger forget what was kept long enough."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping

from relay.core.record import Retention
from relay.core.watch import Watch
from relay.errors import LedgerError, LedgerLost, Unavailable
from relay.shard.intents import End
from relay.shard.live import Live
from relay.shard.ports import Polling, Record, Settings, Surroundings
from relay.shard.post import Post
from relay.shard.writer import Writer

SWEEP_SECONDS = 5.0
FORGET_SECONDS = 60.0
PAGE = 500
LAST_LOOK_SECONDS = 120.0  # a process that starts after a long outage looks once before it calls a job expired


class Housekeeping:
    """`posts`: by configured account. `polling`: of an account, configured or not."""

    def __init__(
        self,
        *,
        record: Record,
        live: Live,
        posts: Mapping[str, Post],
        polling: Callable[[str], Polling],
        writer: Writer,
        surroundings: Surroundings,
    ) -> None:
        self._record = record
        self._live = live
        self._posts = posts
        self._polling = polling
        self._writer = writer
        self._around = surroundings
        self._began = surroundings.clock.monotonic()

    async def run(self, settings: Settings) -> None:
        """Until it is cancelled. Raises LedgerLost."""
        forgot_at = self._around.clock.monotonic()
        while True:
            self._around.beat("housekeeping")
            await asyncio.sleep(SWEEP_SECONDS)
            if not self._writer.healthy.is_set():
                continue
            await self._expire()
            if self._around.clock.monotonic() - forgot_at >= FORGET_SECONDS:
                forgot_at = self._around.clock.monotonic()
                await self._forget(settings)

    async def _expire(self) -> None:
        old = list(self._too_old())
        for start in range(0, len(old), PAGE):
            try:
                await self._writer.submit(End(watches=old[start : start + PAGE], too_old=True))
            except Unavailable:
                return  # they are still too old at the next sweep

    def _too_old(self) -> Iterator[Watch]:
        now = self._around.clock.now()
        for account in self._live.accounts():
            expire_after = self._polling(account).expire_after_seconds
            last_look = min(LAST_LOOK_SECONDS, expire_after)
            configured_for = self._configured_for(account)
            for watch in self._live.of(account):
                if now - watch.job.tracked_at < expire_after:
                    break
                if watch.looked_at > -math.inf or configured_for > last_look:
                    yield watch

    def _configured_for(self, account: str) -> float:
        """Seconds in which its jobs could be looked at; of an account that is not configured: since the start."""
        post = self._posts.get(account)
        return self._around.clock.monotonic() - (self._began if post is None else post.began_at)

    async def _forget(self, settings: Settings) -> None:
        now = self._around.clock.now()
        retention = Retention(
            finished_before=now - settings.keep_finished_seconds,
            dead_before=now - settings.keep_dead_seconds,
        )
        try:
            more = True
            while more:
                more = await self._record.forget(retention, PAGE) == PAGE
        except LedgerLost:
            raise
        except LedgerError as error:
            self._around.log.warning("ledger.not_pruned", error=str(error))
