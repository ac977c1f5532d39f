"""HTTP connections that lead only where a webhook may go (see core.addresses).

The check stands where the socket is made, just before it connects: every address comes by here, looked up or literal,
so neither a name that changes between look-ups nor an unusual spelling gets past it.
"""

import errno
import socket

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.connector import AddrInfoType
from yarl import URL

from relay.core.addresses import name_refusal, refusal
from relay.network import AddressRefusedError


def guarded_session(
    *, allow_private: bool, proxied: bool = False, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """A session for one sink, to be closed by its owner. It keeps no cookies, takes nothing from the environment
    (proxies, `.netrc`) and unpacks no answer.

    `proxied`: all its connections lead to a proxy, which the operator chose, wherever that is: see `check_host`.
    `resolver` None: aiohttp's default, which is aiodns (it is among our dependencies), so a look-up that hangs holds up
    nobody else.
    """

    def open_socket(target: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = target
        why = refusal(str(address[0]), allow_private=allow_private)
        if why is not None:
            # No address in the text: where a name has several, the type survives only if all the texts are equal.
            raise _refused(why)
        return socket.socket(family, kind, protocol)

    # How many connections are open at once is decided by whoever sends.
    connector = aiohttp.TCPConnector(limit=0, socket_factory=None if proxied else open_socket, resolver=resolver)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
    )


def check_host(url: str, *, allow_private: bool) -> None:
    """What can be known of a url before a proxy looks its host up. Raises AddressRefusedError; ValueError: no url."""
    # The host as it goes out: yarl turns what Unicode has for digits and dots into the plain ones.
    why = name_refusal(URL(url).raw_host or "", allow_private=allow_private)
    if why is not None:
        raise _refused(why)


def _refused(why: str) -> AddressRefusedError:
    return AddressRefusedError(errno.EACCES, f"the address is refused: {why}")
