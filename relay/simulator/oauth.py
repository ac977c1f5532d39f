"""`POST /oauth/tokens`: client credentials, and refresh tokens whose every use kills the old pair.

Source: Zendesk's reference, "Create Token for Grant Type". Nobody authorizes anything here: any client is accepted
unless some are named, and the first refresh token is made up by `Grants.first_pair` or simply believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TypeVar
from urllib.parse import parse_qsl

import orjson

from relay.simulator.answer import Answer, error_answer, json_answer
from relay.simulator.denials import invalid_client

LIFETIME_SECONDS = 1_800
LIFETIME_SECONDS_MIN, LIFETIME_SECONDS_MAX = 300, 172_800
REFRESH_LIFETIME_SECONDS = 2_592_000
TOKENS_KEPT = 10_000
SCOPES = frozenset({"read", "write", "impersonate"})

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """`issued_only`: no token is accepted but those issued here. `dies_after`: range of seconds after which an access
    token is dead, however long a life it was promised; None: the promise is kept. `lost_rotation`: which refresh of
    the account is carried out although its answer breaks off; 0: none.
    """

    issued_only: bool = False
    dies_after: tuple[float, float] | None = None
    lost_rotation: int = 0


class Standing(StrEnum):
    """What is known of an access token."""

    ALIVE = "alive"
    DEAD = "dead"
    SCOPELESS = "scopeless"  # alive, but must not read
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    dies_at: float
    scope: str


class Grants:
    """The tokens of one account. `clients`: secrets by client id; None: any client will do.

    `revoked`: nobody gets a token any more, and all tokens are dead, until it is False again.
    """

    def __init__(self, random: Random, clients: Mapping[str, str] | None = None) -> None:
        self.revoked = False
        self._random = random
        self._clients = clients
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, str | None] = {}  # the access token that goes with it; None: used up
        self._rotations = 0

    def answer(self, body: bytes, now: float, rules: OAuth) -> Answer:
        """The reply to `POST /oauth/tokens`. `body`: JSON or a form."""
        asked = _parameters(body)
        lifetime = _lifetime(asked)
        if not self._knows(asked):
            return invalid_client()
        if lifetime is None:
            span = f"{LIFETIME_SECONDS_MIN} and {LIFETIME_SECONDS_MAX}"
            return _refused("invalid_request", f"expires_in must be between {span}.")
        if not _is_scope(asked.get("scope", "read")):
            return _refused("invalid_scope", "The requested scope is invalid, unknown, or malformed.")
        match asked.get("grant_type"):
            case "client_credentials":
                return json_answer(200, self._issue(asked, lifetime, now, rules))
            case "refresh_token":
                return self._renew(asked, lifetime, now, rules)
            case _:
                return _refused("unsupported_grant_type", "The authorization grant type is not supported.")

    def first_pair(self, now: float, rules: OAuth) -> dict[str, object]:
        """A pair as a person's authorization would have made it."""
        return self._issue_pair({}, LIFETIME_SECONDS, now, rules)

    def expire(self) -> None:
        """Every access token dies at once; refresh tokens live on."""
        self._access = {token: _Access(dies_at=0.0, scope=access.scope) for token, access in self._access.items()}

    def standing(self, token: str, now: float) -> Standing:
        access = self._access.get(token)
        if access is None:
            return Standing.UNKNOWN
        if self.revoked or now >= access.dies_at:
            return Standing.DEAD
        return Standing.ALIVE if "read" in access.scope.split() else Standing.SCOPELESS

    def _knows(self, asked: Mapping[str, str]) -> bool:
        client, secret = asked.get("client_id"), asked.get("client_secret")
        if self.revoked or not client or not secret:
            return False
        return self._clients is None or self._clients.get(client) == secret

    def _renew(self, asked: Mapping[str, str], lifetime: int, now: float, rules: OAuth) -> Answer:
        token = asked.get("refresh_token", "")
        known = token in self._refresh
        access = self._refresh.get(token)
        if (known and access is None) or (not known and (rules.issued_only or not token)):
            return _refused("invalid_grant", "The provided authorization grant is invalid, expired, or revoked.")
        if access is not None:
            self._access[access] = _Access(dies_at=now, scope="")
        _keep(self._refresh, token, None)
        self._rotations += 1
        answer = json_answer(200, self._issue_pair(asked, lifetime, now, rules))
        return replace(answer, cut_after=len(answer.body) // 2) if self._rotations == rules.lost_rotation else answer

    def _issue_pair(self, asked: Mapping[str, str], lifetime: int, now: float, rules: OAuth) -> dict[str, object]:
        issued = self._issue(asked, lifetime, now, rules)
        refresh = f"{self._random.getrandbits(256):064x}"
        _keep(self._refresh, refresh, str(issued["access_token"]))
        return {**issued, "refresh_token": refresh, "refresh_token_expires_in": REFRESH_LIFETIME_SECONDS}

    def _issue(self, asked: Mapping[str, str], lifetime: int, now: float, rules: OAuth) -> dict[str, object]:
        token, scope = f"{self._random.getrandbits(256):064x}", asked.get("scope", "read")
        lives = lifetime if rules.dies_after is None else self._random.uniform(*rules.dies_after)
        _keep(self._access, token, _Access(dies_at=now + lives, scope=scope))
        return {"access_token": token, "token_type": "bearer", "scope": scope, "expires_in": lifetime}


def _keep(tokens: dict[str, Kept], token: str, value: Kept) -> None:
    tokens[token] = value
    if len(tokens) > TOKENS_KEPT:
        del tokens[next(iter(tokens))]


def _parameters(body: bytes) -> dict[str, str]:
    try:
        if not body.lstrip().startswith(b"{"):
            return dict(parse_qsl(body.decode()))
        document = orjson.loads(body)
    except ValueError:
        return {}
    return {name: str(value) for name, value in document.items() if value is not None}


def _lifetime(asked: Mapping[str, str]) -> int | None:
    said = asked.get("expires_in", str(LIFETIME_SECONDS))
    if not (said.isascii() and said.isdecimal()):
        return None
    return int(said) if LIFETIME_SECONDS_MIN <= int(said) <= LIFETIME_SECONDS_MAX else None


def _is_scope(scope: str) -> bool:
    """`read`, `write`, `impersonate`, or of one resource: `tickets:read`; several separated by spaces."""
    words = scope.split()
    return bool(words) and all(word.rpartition(":")[2] in SCOPES for word in words)


def _refused(error: str, description: str) -> Answer:
    return error_answer(400, error, error_description=description)
