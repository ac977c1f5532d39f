"""The embedded service: one shard owns all accounts, and one SQLite file is its ledger."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Self

from relay.app import kafka, parts
from relay.app.work import Tools
from relay.config.models import SqliteLedger as Section
from relay.core.record import Backlog
from relay.core.standing import Standing
from relay.errors import ConfigError, LedgerError, LedgerUnusable
from relay.intake.kafka import KafkaIntake
from relay.intake.kafka import Surroundings as IntakeSurroundings
from relay.ledger.copying import Copies
from relay.ledger.sqlite import SqliteLedger
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.feeds import Feeds
from relay.shard.ports import Account, Polling, Surroundings


class Embedded:
    """The `Work` of one process. `ledger`: open."""

    def __init__(self, tools: Tools, ledger: SqliteLedger) -> None:
        self._tools = tools
        self._ledger = ledger
        self._intake: KafkaIntake | None = None
        feed = Feed(recorded=ledger, sources={})
        self._shard = Shard(
            record=ledger,
            accounts=[parts.account(section, tools.session) for section in tools.config.accounts],
            subscribers=tools.subscribers,
            callbacks=tools.callbacks,
            feed=feed,
            settings=parts.settings(tools.config),
            surroundings=Surroundings(
                clock=tools.clock,
                random=Random(),  # noqa: S311 - jitter
                metrics=tools.metrics,
                log=tools.log,
                beat=tools.health.beat,
            ),
        )
        self.jobs = self.accounts = self._shard
        self.events = Feeds([feed])
        self.sinks = self._shard.sinks
        self.backups = Copies(ledger)

    @classmethod
    @asynccontextmanager
    async def opened(cls, tools: Tools, section: Section) -> AsyncIterator[Self]:
        """Raises ConfigError: the file cannot be used."""
        ledger = SqliteLedger(section.path)
        try:
            await _open(ledger)
            yield cls(tools, ledger)
        finally:
            await ledger.close()

    async def load(self) -> int:
        jobs = await self._shard.load()
        tools = self._tools
        around = IntakeSurroundings(monotonic=tools.clock.monotonic, beat=tools.health.beat, log=tools.log)
        desk = kafka.Desk(jobs=self._shard, access=tools.access, observer=tools.metrics, around=around)
        self._intake = kafka.intake(tools.config, tools.publisher, desk, await self._ledger.marks())
        return jobs

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._shard.run())
            if self._intake is not None:
                loops.create_task(self._intake.run())

    async def drain(self) -> None:
        if self._intake is not None:
            await self._intake.stop()
        await self._shard.drain()

    async def configure(self, accounts: Sequence[Account], removed: Collection[str], polling: Polling) -> None:
        await self._shard.configure(accounts, removed, polling)

    async def standing(self) -> Standing:
        try:
            backlog: Mapping[str, Backlog] = await self._ledger.backlog()
            size_bytes = await self._ledger.size_bytes()
        except LedgerError:
            backlog, size_bytes = {}, 0
        return Standing(
            now=self._tools.clock.now(),
            jobs=dict(self._shard.live.counts),
            accounts=await self._shard.standing(),
            sinks=self._shard.sinks.standing_with(backlog),
            ledger_bytes=size_bytes,
        )


async def _open(ledger: SqliteLedger) -> None:
    try:
        await ledger.open()
    except LedgerUnusable as error:
        raise ConfigError(f"ledger.path: {error}") from error
