"""What differs between the configuration that a relay runs on and another: what can be had now, and what cannot."""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.config import Config
from relay.config.accounts import Account
from relay.config.sinks import Sink, WebhookSink

AT_ONCE = frozenset({"account_defaults", "accounts", "accounts_dir", "callbacks", "polling"})
PARTLY = frozenset({"server", "sinks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """`sinks`: what runs, with other secrets or headers. `restart`: keys of what only a restart can change."""

    added: tuple[Account, ...] = ()
    changed: tuple[Account, ...] = ()
    removed: tuple[str, ...] = ()
    polling: bool = False
    api_keys: bool = False
    sinks: tuple[WebhookSink, ...] = ()
    callbacks: bool = False
    restart: tuple[str, ...] = ()

    @property
    def accounts(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    @property
    def any(self) -> bool:
        """Whether anything can be had now."""
        return self.accounts or self.polling or self.api_keys or bool(self.sinks) or self.callbacks


def changes(running: Config, wanted: Config) -> Changes:
    before = {account.name: account for account in running.accounts}
    wanted_names = {account.name for account in wanted.accounts}
    renewed = _renewed_sinks(running, wanted)
    return Changes(
        added=tuple(one for one in wanted.accounts if one.name not in before),
        changed=tuple(one for one in wanted.accounts if one.name in before and one != before[one.name]),
        removed=tuple(name for name in before if name not in wanted_names),
        polling=running.polling != wanted.polling,
        api_keys=running.server.api_keys != wanted.server.api_keys,
        sinks=tuple(
            after
            for one, after in zip(running.sinks, renewed, strict=True)
            if one != after and isinstance(after, WebhookSink)
        ),
        callbacks=running.callbacks != wanted.callbacks,
        restart=tuple(_restart(running, wanted)),
    )


def applied(running: Config, wanted: Config) -> Config:
    """What runs when all that can be had now has been done."""
    server = running.server.model_copy(update={"api_keys": wanted.server.api_keys})
    at_once = {key: getattr(wanted, key) for key in AT_ONCE}
    return running.model_copy(update={**at_once, "server": server, "sinks": _renewed_sinks(running, wanted)})


def _renewed_sinks(running: Config, wanted: Config) -> tuple[Sink, ...]:
    """The sinks that run, with the secrets and headers that are wanted."""
    after = {sink.name: sink for sink in wanted.sinks}
    return tuple(_renewed(sink, after.get(sink.name)) for sink in running.sinks)


def _renewed(before: Sink, after: Sink | None) -> Sink:
    if isinstance(before, WebhookSink) and isinstance(after, WebhookSink):
        return before.model_copy(update={"secrets": after.secrets, "headers": after.headers})
    return before


def _restart(running: Config, wanted: Config) -> Iterator[str]:
    for key in ("listen", "metrics_listen"):
        if getattr(running.server, key) != getattr(wanted.server, key):
            yield f"server.{key}"
    for key in Config.model_fields:
        if key not in AT_ONCE | PARTLY and getattr(running, key) != getattr(wanted, key):
            yield key
    before = {sink.name: sink for sink in _renewed_sinks(running, wanted)}
    after = {sink.name: sink for sink in wanted.sinks}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"sinks.{name}"
