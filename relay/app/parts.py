"""From sections of the configuration to the parts of the service, one function per room."""

import ssl
from collections.abc import Callable

import aiohttp

from relay.app import kafka
from relay.app.certificates import tls_context
from relay.config import Config
from relay.config.accounts import Account as AccountSection
from relay.config.accounts import ApiTokenAuth, BearerAuth, ClientCredentialsAuth, RefreshTokenAuth
from relay.config.accounts import Polling as PollingSection
from relay.config.server import Server
from relay.config.sinks import KafkaSink as KafkaSection
from relay.config.sinks import LogSink as LogSection
from relay.config.sinks import Sink as SinkSection
from relay.config.sinks import WebhookSink as WebhookSection
from relay.core.allowlist import AllowedHost, Allowlist
from relay.core.delivery import Schedule, Subscription
from relay.core.events import source_of
from relay.core.observe import Rules
from relay.core.pacing import Rate
from relay.core.results import Bound, Results
from relay.core.signing import signer
from relay.core.tokens import ClientCredentials, Grant, RefreshToken
from relay.core.webhook import Webhook
from relay.errors import ConfigError
from relay.intake.access import Access
from relay.intake.accounts import Account as KnownAccount
from relay.intake.accounts import Directory
from relay.intake.keys import ApiKey, Caller, Keyring, Scope
from relay.kafka.publisher import Publisher
from relay.shard.ports import Account, Polling, Settings, Subscriber
from relay.sinks.guard import guarded_session
from relay.sinks.log import Emit, LogSink
from relay.sinks.webhook import WebhookSink
from relay.zendesk.transport import Peer, Transport, api_token, bearer

LOG_SINK_CONCURRENCY = 64


def account(section: AccountSection, session: aiohttp.ClientSession) -> Account:
    rate = section.rate
    return Account(
        name=section.name,
        source=source_of(section.base_url),
        rate=Rate(
            max_requests_per_minute=rate.max_requests_per_minute,
            reserve=rate.reserve,
            share=rate.share,
            floor_requests_per_minute=rate.floor_requests_per_minute,
        ),
        polling=polling(section.polling),
        zendesk=Transport(peer(section), session),
        grant=grant(section),
    )


def peer(section: AccountSection) -> Peer:
    """Raises ConfigError: a CA file that cannot be used."""
    return Peer(
        base_url=section.base_url,
        authorization=_authorization(section),
        headers={name: value.get_secret_value() for name, value in section.headers.items()},
        secrets=_secrets(section),
        proxy=None if section.proxy is None else section.proxy.get_secret_value(),
        tls=_tls(section),
    )


def _secrets(section: AccountSection) -> tuple[str, ...]:
    match section.auth:
        case BearerAuth(token=token) | ApiTokenAuth(token=token):
            return (token.get_secret_value(),)
        case ClientCredentialsAuth(client_secret=secret):
            return (secret.get_secret_value(),)
        case RefreshTokenAuth(client_secret=secret, refresh_token=token):
            return (secret.get_secret_value(), token.get_secret_value())


def _authorization(section: AccountSection) -> str | None:
    """What signs every request; None: see `grant`."""
    match section.auth:
        case BearerAuth(token=token):
            return bearer(token.get_secret_value())
        case ApiTokenAuth(email=email, token=token):
            return api_token(email, token.get_secret_value())
    return None


def grant(section: AccountSection) -> Grant | None:
    """What tokens are asked for with; None: see `_authorization`."""
    match section.auth:
        case ClientCredentialsAuth(client_id=client, client_secret=secret, scope=scope):
            return ClientCredentials(client_id=client, client_secret=secret.get_secret_value(), scope=scope)
        case RefreshTokenAuth(client_id=client, client_secret=secret, refresh_token=token):
            return RefreshToken(
                client_id=client,
                client_secret=secret.get_secret_value(),
                refresh_token=token.get_secret_value(),
            )
    return None


def _tls(section: AccountSection) -> ssl.SSLContext | None:
    if section.ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(section.ca_file))
    except OSError as error:
        raise ConfigError(f"accounts: ca_file {section.ca_file} of {section.name} cannot be used: {error}") from error


def subscriber(
    section: SinkSection, *, emit: Emit, system_clock: Callable[[], float], publisher: Publisher | None
) -> Subscriber:
    """Raises ConfigError: a file of its TLS that cannot be used. `publisher`: what sinks of kind kafka send with."""
    subscription = Subscription(
        sink=section.name, types=section.events, outcomes=section.outcomes, accounts=section.accounts
    )
    if isinstance(section, LogSection):
        sink = LogSink(section.name, emit)
        return Subscriber(
            subscription=subscription, kind="log", sink=sink, schedule=Schedule(), concurrency=LOG_SINK_CONCURRENCY
        )
    if isinstance(section, KafkaSection):
        if publisher is None:
            raise ConfigError(f"kafka: is required by the sink {section.name}")
        return kafka.subscriber(section, subscription, publisher)
    tls = tls_context(section)
    return Subscriber(
        subscription=subscription,
        sink=WebhookSink(
            webhook(section),
            session=guarded_session(allow_private=section.allow_private, proxied=section.proxy is not None),
            system_clock=system_clock,
            tls=tls,
        ),
        schedule=Schedule(retry_seconds=section.retry_schedule_seconds),
        concurrency=section.concurrency,
        rate_per_second=section.rate_per_second,
    )


def webhook(section: WebhookSection) -> Webhook:
    return Webhook(
        name=section.name,
        url=section.url,
        secrets=tuple(signer(secret.get_secret_value()) for secret in section.secrets),
        headers={name: value.get_secret_value() for name, value in section.headers.items()},
        content_type=section.content_type,
        timeout_seconds=section.timeout_seconds,
        allow_private=section.allow_private,
        proxy=None if section.proxy is None else section.proxy.get_secret_value(),
    )


def settings(config: Config) -> Settings:
    return Settings(
        rules=Rules(
            progress_interval_seconds=config.events.progress_min_interval_seconds,
            bound=Bound(results=Results(config.events.results), max_bytes=config.events.max_bytes),
        ),
        polling=polling(config.polling),
        keep_finished_seconds=config.retention.finished_hours * 3_600,
        keep_dead_seconds=config.retention.dead_hours * 3_600,
    )


def polling(section: PollingSection) -> Polling:
    return Polling(
        fresh_within_seconds=section.fresh_within_seconds,
        lost_after_seconds=section.lost_after_seconds,
        expire_after_seconds=section.expire_after_seconds,
    )


def access(config: Config) -> Access:
    """Who may call the API, for which accounts, and whom they may have called back."""
    return Access(keyring=keyring(config.server), directory=directory(config), callbacks=allowlist(config))


def directory(config: Config) -> Directory:
    """The accounts that jobs may be submitted for."""
    return Directory(KnownAccount(name=one.name, base_url=one.base_url, hosts=one.hosts) for one in config.accounts)


def allowlist(config: Config) -> Allowlist:
    """The hosts of callbacks; none where there is no such section."""
    return Allowlist(
        [
            AllowedHost(
                pattern=one.host,
                allow_http=one.allow_http,
                allow_private=one.allow_private,
                secrets=tuple(signer(secret.get_secret_value()) for secret in one.secrets),
            )
            for one in (config.callbacks.allow if config.callbacks else ())
        ]
    )


def keyring(server: Server) -> Keyring:
    """The API keys; without any, everyone may do everything."""
    return Keyring(
        [
            ApiKey.of(
                key.key.get_secret_value(),
                Caller(name=key.name, scopes=frozenset(map(Scope, key.scopes)), accounts=key.accounts),
            )
            for key in server.api_keys
        ]
    )
