"""A webhook without the network: the request that carries an event, and what the receiver's answer means."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from relay import __version__
from relay.core.delivery import Attempt
from relay.core.events import STRUCTURED_CONTENT_TYPE, CloudEvent, structured
from relay.core.signing import Signer, sign
from relay.core.zendesk import retry_after_seconds
from relay.errors import Reason

USER_AGENT = f"relay/{__version__}"
DETAIL_CHARACTERS_MAX = 200
BY_CLASS = MappingProxyType({2: None, 3: Reason.REDIRECT, 4: Reason.REFUSED, 5: Reason.SERVER_ERROR})
HIDDEN_CHARACTERS_MIN = 4  # a shorter header value is no secret, and would be found in every text


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One subscriber's endpoint. `headers`: further ones for every request; they cannot replace ours.

    `url`, `headers` and `proxy` may hold secrets, so they do not print. `secrets`: none, one, or several while a key
    rotates. `allow_private`: whether the url may lead to a private or loopback address. `proxy`: a URL.
    """

    name: str
    url: str = field(repr=False)
    secrets: tuple[Signer, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content_type: str = STRUCTURED_CONTENT_TYPE
    timeout_seconds: float = 15.0
    allow_private: bool = False
    proxy: str | None = field(default=None, repr=False)

    @cached_property
    def constant_headers(self) -> Mapping[str, str]:
        """Those that every request has in common."""
        ours = {"content-type": self.content_type, "user-agent": USER_AGENT, "accept-encoding": "identity"}
        return {name.lower(): value for name, value in self.headers.items()} | ours


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """One attempt as it leaves the process. `timestamp`: when it was signed, in seconds since 1970."""

    webhook: Webhook
    event: CloudEvent
    timestamp: int
    headers: Mapping[str, str]
    body: bytes


def request_of(webhook: Webhook, event: CloudEvent, timestamp: int) -> Request:
    """`timestamp`: by the system clock, as the receiver compares it with its own."""
    body = structured(event)
    headers = request_headers(webhook, event, body, timestamp)
    return Request(webhook=webhook, event=event, timestamp=timestamp, headers=headers, body=body)


def request_headers(webhook: Webhook, event: CloudEvent, body: bytes, timestamp: int) -> dict[str, str]:
    """All headers of one attempt. `timestamp`: see `request_of`."""
    headers = {**webhook.constant_headers, "webhook-id": event.id, "webhook-timestamp": str(timestamp)}
    if event.traceparent is not None:
        headers["traceparent"] = event.traceparent
    if webhook.secrets:
        headers["webhook-signature"] = sign(webhook.secrets, event.id, timestamp, body)
    return headers


def judge(status: int, headers: Mapping[str, str], body: bytes, *, now: float, hidden: Iterable[str] = ()) -> Attempt:
    """What the answer means. `headers`: found by lower-case name; `body`: its beginning is enough.

    `now`: for a Retry-After that is a date. `hidden`: texts that must not get into `detail`, should they be echoed.
    """
    reason = _reason(status)
    if reason is None:
        return Attempt()
    return Attempt(
        reason=reason,
        detail=f"{status} {excerpt(body.decode(errors='replace'), hidden)}".rstrip(),
        retry_after_seconds=retry_after_seconds(headers, now),
    )


def secrets_of(webhook: Webhook) -> Iterator[str]:
    """What an answer may echo and nobody else may see; the longer ones first, where one is part of another."""
    for header in webhook.headers.values():
        yield from (header, header.rpartition(" ")[2])  # `Bearer <token>`, and the token alone
    url = urlsplit(webhook.url)
    yield from (f"{url.path}?{url.query}", url.path, url.query)
    if webhook.proxy is not None:
        proxy = urlsplit(webhook.proxy)
        user, password = unquote(proxy.username or ""), unquote(proxy.password or "")
        yield from (b64encode(f"{user}:{password}".encode()).decode(), password)


def excerpt(text: str, hidden: Iterable[str] = ()) -> str:
    """The beginning of a foreign text on one line, safe to store and to show."""
    for secret in hidden:
        if len(secret) >= HIDDEN_CHARACTERS_MIN:
            text = text.replace(secret, "***")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:DETAIL_CHARACTERS_MAX]


def _reason(status: int) -> Reason | None:
    match status:
        case 410:
            return Reason.GONE
        case 429:
            return Reason.RATE_LIMITED
        case 502 | 503 | 504:
            return Reason.UNAVAILABLE
    return BY_CLASS.get(status // 100, Reason.UNREADABLE)
