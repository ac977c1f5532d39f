"""Who calls, and what they may do: bearer keys (RFC 6750) with scopes and accounts."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

from relay.intake.problems import Code, Problem


class Scope(StrEnum):
    """What a call needs. None implies another: a key that may delete need not be able to read."""

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`accounts`: patterns (`*`, `?`, `[…]`) of the accounts that exist for this caller."""

    name: str
    scopes: frozenset[Scope]
    accounts: tuple[str, ...] = ("*",)

    @property
    def sees_all(self) -> bool:
        return "*" in self.accounts

    def sees(self, account: str) -> bool:
        return self.sees_all or any(fnmatchcase(account, pattern) for pattern in self.accounts)

    def require(self, *scopes: Scope) -> None:
        """Raises Problem 403, naming the scopes of which one is needed."""
        if self.scopes.isdisjoint(scopes):
            raise Problem(
                403,
                Code.FORBIDDEN,
                f"this call needs a key with the scope {' or '.join(scopes)}; the key {self.name} does not have it",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scopes[0]}"'},
            )


ANYONE = Caller(name="anyone", scopes=frozenset(Scope))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Only the key's digest is kept, and not shown."""

    caller: Caller
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str, caller: Caller) -> Self:
        return cls(caller=caller, digest=_digest(secret))


class Keyring:
    """All keys. Without any, everyone may do everything: that is for loopback only, which the configuration ensures."""

    def __init__(self, keys: Sequence[ApiKey] = ()) -> None:
        self._keys = tuple(keys)

    def identify(self, authorization: str | None) -> Caller:
        """The caller of a request with this `Authorization` header. Raises Problem 401.

        Every key is compared, each in constant time, so that the time taken tells nothing about any of them.
        """
        if not self._keys:
            return ANYONE
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized("send an API key as `Authorization: Bearer <key>`", "Bearer")
        presented = _digest(token.strip())
        caller: Caller | None = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, presented):
                caller = key.caller
        if caller is None:
            raise _unauthorized("this API key is not known here", 'Bearer error="invalid_token"')
        return caller


def _digest(secret: str) -> bytes:
    return hashlib.blake2s(secret.encode("utf-8", "surrogateescape")).digest()


def _unauthorized(detail: str, challenge: str) -> Problem:
    return Problem(401, Code.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
