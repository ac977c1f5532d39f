"""The way through a proxy, without a request."""

import ssl

import pytest
from authority import Authority
from integration.endpoints import peer, proxy

from relay.app.checks.tunnel import ANSWER_BYTES_MAX, ProxyError, through


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def trusting(authority):
    return ssl.create_default_context(cafile=authority.ca_file)


async def drop(reader, writer):
    await reader.read(1)


async def test_tls_is_spoken_with_the_other_end(authority):
    async with peer(drop, ssl=authority.server()) as port, proxy(port) as (between, heads):
        await through(f"http://user:pass%20word@127.0.0.1:{between}", "localhost", 443, trusting(authority))
    (head,) = heads
    assert head.split("\r\n")[:3] == [
        "CONNECT localhost:443 HTTP/1.1",
        "Host: localhost:443",
        "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=",
    ]


async def test_a_certificate_of_another_name_is_the_other_ends_trouble(authority):
    async with peer(drop, ssl=authority.server()) as port, proxy(port) as (between, _):
        with pytest.raises(ssl.SSLCertVerificationError):
            await through(f"http://127.0.0.1:{between}", "orders.example.com", 443, trusting(authority))


async def test_an_ipv6_address_goes_in_brackets(authority):
    async with proxy(status="403 Forbidden") as (between, heads):
        with pytest.raises(ProxyError, match="the proxy answers 403 Forbidden"):
            await through(f"http://127.0.0.1:{between}", "2606:4700::1111", 443, trusting(authority))
    assert heads[0].startswith("CONNECT [2606:4700::1111]:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization" not in heads[0]


async def test_a_proxy_that_is_not_there(authority):
    async with peer(drop) as port:
        pass
    with pytest.raises(ProxyError, match="the proxy cannot be reached"):
        await through(f"http://127.0.0.1:{port}", "orders.example.com", 443, None)


@pytest.mark.parametrize("answer", [b"", b"garbage", b"HTTP/1.1 200 OK\r\nx: " + b"y" * ANSWER_BYTES_MAX])
async def test_an_answer_that_cannot_be_read(authority, answer):
    async def babble(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with peer(babble) as port:
        with pytest.raises(ProxyError, match="the proxy's answer cannot be read"):
            await through(f"http://127.0.0.1:{port}", "orders.example.com", 443, trusting(authority))
