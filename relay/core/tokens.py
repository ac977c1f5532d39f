"""Zendesk's OAuth tokens as values: requests built, replies deciphered, a rotated pair as the ledger keeps it.

Source: Zendesk's reference, "Create Token for Grant Type" (`POST /oauth/tokens`), and RFC 6749, sections 4.4, 5 and 6.
Whatever comes back, `decipher_token` answers with a `TokenReply`; it raises nothing. No secret shows in a `repr` or in
a `detail`.
"""

import math
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from relay.core.webhook import excerpt
from relay.core.zendesk import NoResponse, Reply, Response, rate_headers, refusal, retry_after_seconds
from relay.errors import Reason, Undecipherable

TOKEN_PATH = "/oauth/tokens"  # noqa: S105 - where they are
LIFETIME_SECONDS = 1_800.0  # Zendesk's default; what a reply that does not say is taken to mean
LIFETIME_SECONDS_MIN = 1.0
LIFETIME_SECONDS_MAX = 172_800.0  # documented
RECORD_VERSION = 1
TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")  # what may stand in a header
CHECK_CLIENT = "check client_id and client_secret, and whether the client is enabled"
ADVICE = {
    "invalid_client": CHECK_CLIENT,
    "unauthorized_client": CHECK_CLIENT,
    "invalid_grant": "the refresh token is used up, expired or revoked: configure a new one",
    "invalid_scope": "check scope",
}
DENIALS = ADVICE.keys() | {"access_denied"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The client signs in for itself: any number of tokens, none of which ends another."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A person authorized the client once. Each use of a refresh token yields a new pair and kills the old one."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Tells one configured refresh token from another, without giving it away."""
        return sha256(self.refresh_token.encode()).hexdigest()


Grant = ClientCredentials | RefreshToken


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """One POST to `TOKEN_PATH` below the account's base_url. `body`: JSON. `secrets`: what no text may repeat."""

    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def token_request(grant: Grant, refresh_token: str = "") -> TokenRequest:
    """`refresh_token`: the newest of the line that began with the configured one, where the grant is of that kind."""
    fields = {"client_id": grant.client_id, "client_secret": grant.client_secret}
    match grant:
        case ClientCredentials(scope=scope):
            fields |= {"grant_type": "client_credentials", "scope": scope}
        case RefreshToken():
            fields |= {"grant_type": "refresh_token", "refresh_token": refresh_token}
    secrets = tuple(secret for secret in (grant.client_secret, refresh_token) if secret)
    return TokenRequest(body=orjson.dumps(fields), secrets=secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What Zendesk issued. `refresh_token`: None where none came with it."""

    access_token: str = field(repr=False)
    lifetime_seconds: float = LIFETIME_SECONDS
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReply:
    """`token`: None if there is none, and then `reply` has the reason. `reply.rate`: as in any reply."""

    token: Token | None = None
    reply: Reply


def decipher_token(request: TokenRequest, response: Response | NoResponse, now: float) -> TokenReply:
    """The token in the response, or why there is none. `now`: wall clock, for a Retry-After as a date."""
    if isinstance(response, NoResponse):
        return TokenReply(reply=Reply(reason=response.reason, detail=f"{TOKEN_PATH}: {response.detail}"))
    rate = rate_headers(response.headers)
    fields = _object(response.body)
    if response.status in {200, 201}:
        token = _token(fields)
        if token is not None:
            return TokenReply(token=token, reply=Reply(rate=rate))
        # Nothing of the body is told: it may hold a token all the same.
        return TokenReply(reply=Reply(reason=Reason.UNREADABLE, detail=f"{TOKEN_PATH}: no token in it", rate=rate))
    reply = Reply(
        reason=_reason(response, fields),
        detail=f"{TOKEN_PATH}: HTTP {response.status}{_said(fields, request)}",
        retry_after_seconds=retry_after_seconds(response.headers, now),
        rate=rate,
    )
    return TokenReply(reply=reply)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _token(fields: dict[str, Any]) -> Token | None:
    access_token = _text(fields.get("access_token"))
    if access_token is None:
        return None
    return Token(
        access_token=access_token,
        lifetime_seconds=_lifetime(fields.get("expires_in")),
        refresh_token=_text(fields.get("refresh_token")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and TOKEN.fullmatch(value) else None


def _lifetime(said: object) -> float:
    """Seconds. Clients from before tokens expired are told nothing: renewing theirs now and then does no harm."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return LIFETIME_SECONDS
    try:
        seconds = float(said)
    except (ValueError, OverflowError):
        return LIFETIME_SECONDS
    return min(max(seconds, LIFETIME_SECONDS_MIN), LIFETIME_SECONDS_MAX) if math.isfinite(seconds) else LIFETIME_SECONDS


def _reason(response: Response, fields: dict[str, Any]) -> Reason:
    denied = response.status in {400, 401, 403} and _word(fields, "error") in DENIALS
    return Reason.UNAUTHORIZED if denied else refusal(response)


def _said(fields: dict[str, Any], request: TokenRequest) -> str:
    error = _word(fields, "error")
    said = ": ".join(word for word in (error, _word(fields, "error_description")) if word)
    advice = ADVICE.get(error, "")
    return "".join(f"; {text}" for text in (excerpt(said, request.secrets), advice) if text)


def _word(fields: dict[str, Any], name: str) -> str:
    word = fields.get(name)
    return word if isinstance(word, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """The newest pair of a line of refresh tokens. `expires_at`: of the access token, wall clock.

    `descends_from`: the fingerprint of the configured refresh token that the line began with.
    """

    refresh_token: str = field(repr=False)
    access_token: str = field(repr=False)
    expires_at: float
    descends_from: str


def encode_record(record: TokenRecord) -> bytes:
    return orjson.dumps(
        {
            "v": RECORD_VERSION,
            "refresh_token": record.refresh_token,
            "access_token": record.access_token,
            "expires_at": record.expires_at,
            "descends_from": record.descends_from,
        }
    )


def decode_record(value: bytes) -> TokenRecord:
    """Raises Undecipherable: not such a record, or one written by a newer version of relay."""
    fields = _object(value)
    if fields.pop("v", None) != RECORD_VERSION:
        raise Undecipherable(f"not a record of tokens of version {RECORD_VERSION}")
    try:
        return TokenRecord(**fields)
    except TypeError as error:
        raise Undecipherable("not a record of tokens") from error
