"""Which urls a submitter may name for a callback: strictly written ones, whose host the configuration allows.

Strictly, since what is checked here is read again by whoever connects: a url that two parsers could understand
differently is refused. What a name leads to is checked once more when it is connected to (core.addresses).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from relay.core.addresses import is_address_like, refusal
from relay.core.signing import Signer
from relay.errors import RelayError

ANY_HOST = "*"
HOST_CHARACTERS_MAX = 253
PORT_MAX = 65_535
HOSTS_SHOWN_MAX = 10
HOSTS_REMEMBERED_MAX = 1_024

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_URL = re.compile(  # RFC 3986, with neither user, password nor fragment
    rf"""(?P<scheme>https?)://
    (?:\[(?P<address>[0-9a-f:.]{{2,45}})\] | (?P<name>{_LABEL}(?:\.{_LABEL})*)\.?)
    (?::(?P<port>[0-9]{{1,5}}))?
    (?:[/?](?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{{2}})*)?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
FORM = (
    "must be an absolute http or https url without user, password and fragment, with a host name as DNS has it "
    "(xn--… where it has other letters) or an address in its usual notation, and everything else percent-encoded"
)
NONE_ALLOWED = "this relay does not allow callbacks; its configured sinks receive the events"


class NotAllowed(RelayError):  # noqa: N818 - says what it is
    """The url must not be called back. The text says why, and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHost:
    """`pattern`: a host in lower case; each `*` in it stands for any characters, dots among them.

    An address is matched by itself and by `*` alone, never by a part of it: names may look like that, too.
    """

    pattern: str
    allow_http: bool = False
    allow_private: bool = False
    secrets: tuple[Signer, ...] = ()


class Allowlist:
    """The first of the `hosts` that matches decides. Without any, no callback is allowed."""

    def __init__(self, hosts: Sequence[AllowedHost] = ()) -> None:
        self._hosts = [(host, re.compile(translate(host.pattern))) for host in hosts]
        # The urls of one request mostly have one host.
        self._decided = lru_cache(maxsize=HOSTS_REMEMBERED_MAX)(self._decide)

    def __bool__(self) -> bool:
        """Whether any callback could be allowed."""
        return bool(self._hosts)

    def allowed(self, url: str) -> AllowedHost:
        """What holds for this url. Raises NotAllowed."""
        if not self._hosts:
            raise NotAllowed(NONE_ALLOWED)
        match = _URL.fullmatch(url)
        if match is None or not 0 < int(match["port"] or 1) <= PORT_MAX:
            raise NotAllowed(FORM)
        host = match["address"] or match["name"]
        if len(host) > HOST_CHARACTERS_MAX:
            raise NotAllowed(FORM)
        return self._decided(match["scheme"].lower(), host.lower())

    def _decide(self, scheme: str, host: str) -> AllowedHost:
        literal = is_address_like(host)
        entry = self._entry(host, exactly=literal)
        if scheme != "https" and not entry.allow_http:
            raise NotAllowed(f"callbacks to {host} must be https")
        why = refusal(host, allow_private=entry.allow_private) if literal else None
        if why is not None:
            raise NotAllowed(f"callbacks to {host} are refused: it is {why}")
        return entry

    def _entry(self, host: str, *, exactly: bool) -> AllowedHost:
        for entry, pattern in self._hosts:
            if entry.pattern in {ANY_HOST, host} or (not exactly and pattern.match(host)):
                return entry
        shown = ", ".join(entry.pattern for entry, _ in self._hosts[:HOSTS_SHOWN_MAX])
        more = f" and {len(self._hosts) - HOSTS_SHOWN_MAX} more" if len(self._hosts) > HOSTS_SHOWN_MAX else ""
        raise NotAllowed(f"callbacks to the host {host[:64]} are not allowed; allowed are: {shown}{more}")
