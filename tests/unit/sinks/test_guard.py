import socket

import aiohttp
import pytest
from aiohttp.resolver import AsyncResolver, DefaultResolver

from relay.network import AddressRefusedError
from relay.sinks.guard import guarded_session


def socket_factory(session):
    return session.connector._socket_factory


def target(address, family=socket.AF_INET):
    return (family, socket.SOCK_STREAM, 0, "", (address, 443))


def test_names_are_looked_up_without_threads_of_ours():
    """What aiohttp takes by default as long as aiodns is installed."""
    assert DefaultResolver is AsyncResolver


async def test_no_socket_is_made_for_a_refused_address():
    async with guarded_session(allow_private=False) as session:
        for address in ("10.0.0.1", "localhost", ""):
            with pytest.raises(AddressRefusedError, match="the address is refused"):
                socket_factory(session)(target(address))


async def test_a_socket_is_made_for_an_allowed_address():
    async with guarded_session(allow_private=True) as session:
        for address, family in (("10.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket_factory(session)(target(address, family)) as made:
                assert (made.family, made.type) == (family, socket.SOCK_STREAM)


async def test_a_session_keeps_no_cookies():
    async with guarded_session(allow_private=True) as session:
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)
