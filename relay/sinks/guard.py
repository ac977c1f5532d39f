"""HTTP connections that lead only where a webhook may go (see core.addresses).

The check stands where the socket is made, just before it connects: every address comes by here, looked up or literal,
so neither a name that changes between look-ups nor an unusual spelling gets past it.
"""

import errno
import socket

import aiohttp
from aiohttp.connector import AddrInfoType

from relay.core.addresses import refusal
from relay.network import AddressRefusedError


def guarded_session(*, allow_private: bool) -> aiohttp.ClientSession:
    """A session for one sink, to be closed by its owner. It keeps no cookies and ignores proxies in the environment.

    Names are looked up by aiohttp's default resolver, which is aiodns (it is among our dependencies), so a look-up that
    hangs holds up nobody else.
    """

    def open_socket(target: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = target
        why = refusal(str(address[0]), allow_private=allow_private)
        if why is not None:
            # No address in the text: where a name has several, the type survives only if all the texts are equal.
            raise AddressRefusedError(errno.EACCES, f"the address is refused: {why}")
        return socket.socket(family, kind, protocol)

    # How many connections are open at once is decided by whoever sends.
    connector = aiohttp.TCPConnector(limit=0, socket_factory=open_socket)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
    )
