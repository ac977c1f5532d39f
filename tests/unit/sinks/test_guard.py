import socket

import aiohttp
import pytest
from aiohttp.resolver import AsyncResolver, DefaultResolver

from relay.network import AddressRefusedError
from relay.sinks.guard import check_host, guarded_session


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


async def test_on_the_way_to_a_proxy_no_address_is_judged():
    """The operator chose it, and it may well be a private one."""
    async with guarded_session(allow_private=False, proxied=True) as session:
        assert socket_factory(session) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "\uff11\uff12\uff17.0.0.1", "a@10.0.0.1"])
def test_a_host_is_judged_as_it_goes_out_to_a_proxy(host):
    with pytest.raises(AddressRefusedError, match="the address is refused: a private"):
        check_host(f"http://{host}:8080/path", allow_private=False)
    check_host(f"http://{host}:8080/path", allow_private=True)


def test_public_hosts_are_left_to_the_proxy():
    check_host("https://orders.example.com/", allow_private=False)
    check_host("https://b\u00fccher.example/", allow_private=False)
