"""Which account a submitted job belongs to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import urlsplit

from relay.intake.keys import Caller
from relay.intake.problems import Code, Refused

DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})
NAMES_SHOWN_MAX = 10
ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # as the configuration has them


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`hosts`: further host names (`name` or `name:port`) that the account's job urls may have."""

    name: str
    base_url: str
    hosts: tuple[str, ...] = ()

    def authorities(self) -> set[str]:
        known = {authority(self.base_url)} | {authority(f"https://{host}") for host in self.hosts}
        return {each for each in known if each is not None}


@lru_cache(maxsize=1024)
def authority(origin: str) -> str | None:
    """`host` or `host:port` of an http(s) url in lower case, without its scheme's default port; None: it has none."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in DEFAULT_PORTS:
        return None
    host = host.rstrip(".")
    return host if port is None or port == DEFAULT_PORTS[parts.scheme] else f"{host}:{port}"


class Directory:
    """The configured accounts. An account that a caller may not see does not exist for that caller."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        listed = sorted(accounts, key=lambda account: account.name)
        self._names = frozenset(account.name for account in listed)
        self._ordered = tuple(account.name for account in listed)
        self._by_authority = _by_authority(listed)
        self._visible: dict[Caller, tuple[str, ...]] = {}

    def visible(self, caller: Caller) -> tuple[str, ...]:
        """The names that this caller sees, in order."""
        names = self._visible.get(caller)
        if names is None:
            names = self._visible[caller] = tuple(name for name in self._ordered if caller.sees(name))
        return names

    def resolve(self, caller: Caller, account: str | None, url: str | None) -> str:
        """The account that is named, else the one whose host the url has, else the only one there is.

        Raises Refused: `unknown_account` or `account_required`.
        """
        if account is not None:
            if account in self._names and caller.sees(account):
                return account
            raise Refused(Code.UNKNOWN_ACCOUNT, "/account", f"no account {account[:64]!r}; {self._known(caller)}")
        if url is not None:
            candidates = self._by_authority.get(authority(_origin(url)), ())
            if candidates:
                return self._by_host(caller, candidates)
        if len(self._ordered) != 1:
            raise Refused(Code.ACCOUNT_REQUIRED, "", f"name the account; {self._known(caller)}")
        if not caller.sees(self._ordered[0]):
            raise Refused(Code.UNKNOWN_ACCOUNT, "", self._known(caller))
        return self._ordered[0]

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def resolve_record(self, key: bytes | None, account: str | None, url: str | None) -> str:
        """The account that is named, else the one whose host the url has, else the record's key, else the only one.

        A name that is not configured is one all the same: another replica may know it, or this one soon.
        Raises Refused: `invalid_field` or `account_required`.
        """
        if account is not None:
            if ACCOUNT_NAME.fullmatch(account):
                return account
            raise Refused(Code.INVALID_FIELD, "/account", f"no account can be named {account[:64]!r}")
        named = _name_in(key)
        candidates = () if url is None else self._by_authority.get(authority(_origin(url)), ())
        if len(candidates) == 1:
            return candidates[0]
        if named is not None and (not candidates or named in candidates):
            return named
        if not candidates and len(self._ordered) == 1:
            return self._ordered[0]
        known = f"known are: {_shown(candidates or self._ordered)}"
        raise Refused(Code.ACCOUNT_REQUIRED, "", f"name the account, in the value or as the record's key; {known}")

    def _by_host(self, caller: Caller, candidates: tuple[str, ...]) -> str:
        seen = [name for name in candidates if caller.sees(name)]
        if not seen:
            raise Refused(Code.UNKNOWN_ACCOUNT, "/job_status/url", f"no account has this host; {self._known(caller)}")
        if len(seen) > 1:
            detail = f"several accounts have this host, name one of them: {_shown(seen)}"
            raise Refused(Code.ACCOUNT_REQUIRED, "", detail)
        return seen[0]

    def _known(self, caller: Caller) -> str:
        names = self.visible(caller)
        return f"known are: {_shown(names)}" if names else "none is known"


def _name_in(key: bytes | None) -> str | None:
    """The account that a record's key names, if it is a name at all."""
    name = (key or b"").decode("ascii", "replace")
    return name if ACCOUNT_NAME.fullmatch(name) else None


def _origin(url: str) -> str:
    end = url.find("/", len("https://"))
    return url if end < 0 else url[:end]


def _by_authority(accounts: Iterable[Account]) -> Mapping[str | None, tuple[str, ...]]:
    index: dict[str | None, tuple[str, ...]] = {}
    for account in accounts:
        for each in account.authorities():
            index[each] = (*index.get(each, ()), account.name)
    return index


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMES_SHOWN_MAX} more" if len(listed) > NAMES_SHOWN_MAX else ""
    return ", ".join(listed[:NAMES_SHOWN_MAX]) + more
