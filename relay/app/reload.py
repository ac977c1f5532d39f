"""Keeps a running relay to its configuration: files that change take effect, and what is broken stays as it was."""

import asyncio
import time
from collections.abc import Iterable, Sequence

from relay.app import parts
from relay.app.certificates import Certificates
from relay.app.changes import Changes, applied, changes
from relay.app.service import Service
from relay.config import Config, Sources
from relay.config.sources import Trouble
from relay.errors import ConfigError, LedgerError
from relay.shard.ports import Account, Log
from relay.shard.waiting import in_turns
from relay.sinks.webhook import WebhookSink

PAUSE_SECONDS = 1.0
PAUSE_SECONDS_MAX = 10.0
LOOKING_SHARE = 0.02  # of the time: where many files make a look long, there are fewer
NAMES_SHOWN_MAX = 10


class Reloading:
    """Looks after the files of a configuration while a service runs. Each trouble with them is told once.

    Files are read, and what they say is compared, in a thread of asyncio's own pool, one at a time: thousands of
    accounts take seconds, and a network drive may hang.
    """

    def __init__(self, *, sources: Sources, service: Service, log: Log) -> None:
        self._sources = sources
        self._service = service
        self._log = log
        self._running = self._seen = sources.config
        self._certificates = Certificates(sources.config.sinks)
        self._told: frozenset[Trouble] = frozenset()
        self._restart: Sequence[str] = ()
        self._looked_seconds = 0.0

    async def run(self, hang_up: asyncio.Event) -> None:
        """Until it is cancelled. `hang_up`: set by whoever wants the configuration file itself to be read again."""
        self._tell(self._sources.troubles.values())
        while True:
            await self.look(called=await self._called(hang_up))

    async def look(self, *, called: bool = False) -> None:
        """Once. `called`: at the configuration file, too, and whether what changed is at rest or not."""
        began = time.monotonic()
        await asyncio.to_thread(self._sources.reload if called else self._sources.look)
        self._looked_seconds = time.monotonic() - began
        unreadable = await self._renew_certificates()
        refusal = await self._apply(called=called)  # last: when the log tells of it, the metric does, too
        self._tell((*self._sources.troubles.values(), *refusal, *unreadable))

    async def _called(self, hang_up: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(
                min(max(PAUSE_SECONDS, self._looked_seconds / LOOKING_SHARE), PAUSE_SECONDS_MAX)
            ):
                await hang_up.wait()
        except TimeoutError:
            return False
        hang_up.clear()
        return True

    async def _apply(self, *, called: bool) -> Sequence[Trouble]:
        """Why what is wanted cannot be had, which is tried again at the next look."""
        wanted = self._sources.config
        if wanted is self._seen:
            return ()
        difference = await asyncio.to_thread(changes, self._running, wanted)
        try:
            await self._carry_out(difference, wanted)
        except (ConfigError, LedgerError) as error:
            return (Trouble(text=str(error), reading=-1),)
        self._seen, self._running = wanted, applied(self._running, wanted)
        if difference.any or (called and not self._sources.troubles):
            self._log.info("config.reloaded", **told(difference))
        if difference.restart and (called or difference.restart != self._restart):
            self._log.warning("config.restart_needed", keys=difference.restart)
        self._restart = difference.restart
        return ()

    async def _carry_out(self, difference: Changes, wanted: Config) -> None:
        """Raises ConfigError or LedgerError; it may be called again with the same."""
        if difference.accounts or difference.polling:
            accounts = await asyncio.to_thread(self._accounts, difference)
            await self._service.work.configure(accounts, difference.removed, parts.polling(wanted.polling))
            async for name in in_turns(difference.removed):
                self._service.metrics.forget(name)
            self._service.access.directory = await asyncio.to_thread(parts.directory, wanted)
        if difference.api_keys:
            self._service.access.keyring = parts.keyring(wanted.server)
        webhooks = {section.name: parts.webhook(section) for section in difference.sinks}
        for subscriber in self._service.subscribers:
            if subscriber.subscription.sink in webhooks and isinstance(subscriber.sink, WebhookSink):
                subscriber.sink.renew(webhooks[subscriber.subscription.sink])
        if difference.callbacks:
            self._service.access.callbacks = allowlist = parts.allowlist(wanted)
            self._service.callbacks.renew(allowlist)

    async def _renew_certificates(self) -> Sequence[Trouble]:
        """Why files of certificates cannot be used. What was made of them before stays in use."""
        found = await asyncio.to_thread(self._certificates.look)
        contexts = {one.sink: one.context for one in found}
        for subscriber in self._service.subscribers:
            context = contexts.get(subscriber.subscription.sink)
            if context is not None and isinstance(subscriber.sink, WebhookSink):
                subscriber.sink.renew_tls(context)
        return [Trouble(text=one.trouble, reading=-1) for one in found if one.trouble is not None]

    def _accounts(self, difference: Changes) -> Sequence[Account]:
        return [parts.account(one, self._service.session) for one in (*difference.added, *difference.changed)]

    def _tell(self, troubles: Iterable[Trouble]) -> None:
        now = frozenset(troubles)
        for trouble in sorted(now - self._told, key=lambda one: one.reading):
            self._log.error("config.reload_failed", error=trouble.text)
        if self._told and not now:
            self._log.info("config.recovered")
        self._told = now
        self._service.metrics.config_reloaded(successful=not now)


def told(difference: Changes) -> dict[str, object]:
    """For the log: what has changed, and nothing else."""
    names = {
        "accounts_added": shown([one.name for one in difference.added]),
        "accounts_changed": shown([one.name for one in difference.changed]),
        "accounts_removed": shown(difference.removed),
        "sinks": shown([one.name for one in difference.sinks]),
    }
    fields: dict[str, object] = {key: value for key, value in names.items() if value}
    if difference.polling:
        fields["polling"] = True
    if difference.api_keys:
        fields["api_keys"] = True
    if difference.callbacks:
        fields["callbacks"] = True
    return fields


def shown(names: Sequence[str]) -> Sequence[str]:
    more = len(names) - NAMES_SHOWN_MAX
    return names if more <= 0 else (*names[:NAMES_SHOWN_MAX], f"and {more} more")
