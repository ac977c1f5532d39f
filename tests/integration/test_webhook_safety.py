"""A webhook leads only where it may, sends only what was signed, and no answer holds anything up.

Every test meets the real sink, its real guard and real sockets on loopback.
"""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from contextlib import asynccontextmanager

import pytest
import standardwebhooks
from aiohttp import web
from integration.endpoints import (
    EVENT,
    SECRETS,
    TRACEPARENT,
    Resolver,
    endless,
    peer,
    receiver,
    send_to,
    sent,
    sink_to,
    taken,
)
from integration.processes import until

from relay import __version__
from relay.core.addresses import refusal
from relay.core.delivery import Attempt
from relay.core.events import structured
from relay.errors import Reason
from relay.sinks.webhook import ANSWER_SECONDS_MAX

# However a host is spelled. With a resolver that takes anything for loopback, as some do for many of these.
LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",  # decimal
    "017700000001",  # octal
    "0177.0.0.1",
    "00000000177.0.0.1",
    "127.0.0.01",
    "127.000.000.001",
    "0x7f000001",  # hexadecimal
    "0x7f.0.0.1",
    "0x7f.1",
    "0",
    "0.0.0.0",
    "00.0.0.0",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::1%25lo]",  # with a zone
    "[::]",
    "[::ffff:127.0.0.1]",  # IPv4-mapped
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",  # IPv4-compatible
    "[::ffff:0:127.0.0.1]",  # IPv4-translated
    "[64:ff9b::127.0.0.1]",  # NAT64
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",  # 6to4
    "[2001:0:7f00:1::]",  # Teredo
    "localhost",
    "LocalHost",
    "localhost.",
    "localhost..",
    "sub.localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "127.0.0.1.nip.io",  # public names for private addresses
    "localtest.me",
    "xn--localhost-.com",
    "\uff11\uff12\uff17.0.0.1",  # digits, dots and letters that are folded to plain ones
    "127\u30020\u30020\u30021",
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "1.1.1.1@127.0.0.1",  # a user, not a host
    "orders.example.com:443@127.0.0.1",
    "127.0.0.1%2f.example.com",
]


@asynccontextmanager
async def trap():
    """A port of loopback, and whoever came by it."""
    came = []

    async def note(reader, writer):
        came.append(writer.get_extra_info("peername"))

    async with peer(note) as port:
        yield port, came
        await asyncio.sleep(0)


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
async def test_no_spelling_of_loopback_leads_there(host):
    async with trap() as (port, came):
        attempt = await send_to(f"http://{host}:{port}/", allow_private=False, resolver=Resolver(["127.0.0.1"]))
    assert (attempt.reason, came) == (Reason.ADDRESS_REFUSED, [])


# What a name may be looked up to, or a url say outright.
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",  # metadata: most clouds
    "169.254.170.2",
    "168.63.129.16",  # Azure
    "100.100.100.200",  # Alibaba
    "192.0.0.192",  # Oracle
    "fd00:ec2::254",  # Amazon
    "fd20:ce::254",  # Google
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "255.255.255.255",  # broadcast
    "224.0.0.1",  # multicast
    "239.255.255.250",
    "ff02::1",
    "ff0e::1",
    "::ffff:224.0.0.1",
    "240.0.0.1",  # reserved
    "192.0.2.1",  # documentation
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::1",
    "3fff::1",
    "198.18.0.1",  # benchmarks
    "192.0.0.8",
    "192.88.99.1",
    "::",
    "::1.2.3.4",
    "fec0::1",  # site-local
    "100::1",  # discard
    "2001::1",  # Teredo
]
PRIVATE = ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fc00::1", "fd12:3456::1"]


def literal(address):
    return f"[{address.replace('%', '%25')}]" if ":" in address else address


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("address", NEVER)
async def test_some_addresses_are_never_connected_to(address, allow_private):
    """Neither if the url says them, nor if a name leads there."""
    there = {"allow_private": allow_private, "resolver": Resolver([address])}
    assert (await send_to(f"http://{literal(address)}:1/", **there)).reason is Reason.ADDRESS_REFUSED
    assert (await send_to("http://orders.example.com:1/", **there)).reason is Reason.ADDRESS_REFUSED


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_addresses_are_not_connected_to(address):
    there = {"allow_private": False, "resolver": Resolver([address])}
    assert (await send_to(f"http://{literal(address)}:1/", **there)).reason is Reason.ADDRESS_REFUSED
    assert (await send_to("http://orders.example.com:1/", **there)).reason is Reason.ADDRESS_REFUSED


@pytest.mark.parametrize("name", ["metadata.google.internal", "metadata", "instance-data", "metadata.goog"])
async def test_names_of_metadata_services_lead_nowhere(name):
    attempt = await send_to(f"http://{name}:1/", allow_private=True, resolver=Resolver(["169.254.169.254"]))
    assert attempt.reason is Reason.ADDRESS_REFUSED


async def test_a_name_that_changes_between_two_look_ups_leads_nowhere():
    """DNS rebinding: public while somebody checks, loopback when it is connected to."""
    resolver = Resolver(["1.1.1.1"], ["127.0.0.1"])
    (looked_up,) = await resolver.resolve("rebind.example.com")
    assert refusal(looked_up["host"], allow_private=False) is None
    async with trap() as (port, came):
        attempt = await send_to(f"http://rebind.example.com:{port}/", allow_private=False, resolver=resolver)
    assert (attempt.reason, came) == (Reason.ADDRESS_REFUSED, [])
    assert attempt.detail == "the address is refused: a private address"


async def test_a_name_with_several_addresses_leads_to_none_of_those_that_are_refused():
    async with trap() as (port, came):
        resolver = Resolver(["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"])
        attempt = await send_to(f"http://rebind.example.com:{port}/", allow_private=False, resolver=resolver)
    assert (attempt.reason, came) == (Reason.ADDRESS_REFUSED, [])


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(status):
    async with receiver() as (elsewhere, came):

        async def answer(request):
            return web.Response(status=status, headers={"location": str(elsewhere)})

        async with receiver(answer) as (url, got):
            attempt = await send_to(url)
    assert attempt == Attempt(reason=Reason.REDIRECT, detail=str(status))
    assert (len(got), came) == (1, [])


async def test_what_leaves_is_what_was_signed_and_nothing_else():
    """Byte by byte, as a raw socket sees it: no other encoding, no chunks, each header once."""
    heard = []

    async def listen(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(len(structured(EVENT)))
        heard.append((head.decode("ascii"), body, await more(reader)))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with peer(listen) as port:
        url = f"http://127.0.0.1:{port}/a%20hook?token=a%2Bb"
        assert await send_to(url, headers={"X-Team": "orders"}) == Attempt()
    ((head, body, rest),) = heard
    request, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert (body, rest) == (structured(EVENT), b"")
    assert len(headers) == len(lines)
    assert request == "POST /a%20hook?token=a%2Bb HTTP/1.1"
    for secret in SECRETS:
        assert standardwebhooks.Webhook(secret).verify(body, headers)["id"] == EVENT.id
    assert abs(int(headers.pop("webhook-timestamp")) - time.time()) < 60
    assert len(headers.pop("webhook-signature").split(" ")) == 2
    assert headers == {
        "host": f"127.0.0.1:{port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": f"relay/{__version__}",
        "content-type": "application/cloudevents+json",
        "content-length": str(len(body)),
        "webhook-id": EVENT.id,
        "traceparent": TRACEPARENT,
        "x-team": "orders",
    }


async def more(reader):
    try:
        async with asyncio.timeout(0.1):
            return await reader.read(1)
    except TimeoutError:
        return b""


async def test_headers_of_the_configuration_replace_none_of_ours():
    """The configuration refuses them; should they get here, they are without effect."""
    forged = {
        "Webhook-Id": "forged",
        "webhook-timestamp": "1",
        "WEBHOOK-SIGNATURE": "v1,forged",
        "Content-Type": "text/plain",
        "User-Agent": "forged",
        "Accept-Encoding": "gzip",
        "Traceparent": "forged",
    }
    async with receiver() as (url, got):
        assert await send_to(url, headers=forged) == Attempt()
    ((request, body),) = got
    assert standardwebhooks.Webhook(SECRETS[0]).verify(body, dict(request.headers))
    assert "forged" not in str(request.headers.items())
    assert len(request.headers) == len({name.lower() for name in request.headers})


async def test_the_environment_changes_nothing(monkeypatch, tmp_path):
    """A proxy there would look names up past the guard; `.netrc` would hand out passwords."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login relay password s3cret\ndefault login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with receiver() as (url, got):
        assert await send_to(url) == Attempt()
    ((request, _),) = got
    assert "authorization" not in request.headers


async def test_cookies_are_not_kept():
    async def answer(request):
        return web.Response(headers={"set-cookie": "a=b"})

    async with receiver(answer) as (url, got), sink_to(url) as orders:
        await sent(orders)
        await sent(orders)
    assert ["cookie" in request.headers for request, _ in got] == [False, False]


def packed(wbits):
    """A hundred megabytes of nothing, in about a hundred kilobytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([*(deflate.compress(bytes(1_000_000)) for _ in range(100)), deflate.flush()])


X = b"x" * 65_536
BOMBS = {
    "a body without an end": endless(b"HTTP/1.1 500 No\r\n\r\n", X),
    "a body of a terabyte": endless(b"HTTP/1.1 500 No\r\ncontent-length: 1000000000000\r\n\r\n", X),
    "chunks without an end": endless(
        b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n", b"10000\r\n" + X + b"\r\n"
    ),
    "a chunk without an end": endless(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\nffffffffff\r\n", X),
    "a chunk's extension without an end": endless(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n1;", X),
    "headers without an end": endless(b"HTTP/1.1 500 No\r\n", b"x: %b\r\n" % X[:4_000]),
    "a header without an end": endless(b"HTTP/1.1 500 No\r\nx: ", X),
    "a reason without an end": endless(b"HTTP/1.1 500 ", X),
    "hints without an end": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "gzip": endless(b"HTTP/1.1 500 No\r\ncontent-encoding: gzip\r\n\r\n", packed(31)),
    "deflate": endless(b"HTTP/1.1 500 No\r\ncontent-encoding: deflate\r\n\r\n", packed(15)),
    "gzip in gzip": endless(b"HTTP/1.1 500 No\r\ncontent-encoding: gzip, gzip\r\n\r\n", gzip.compress(packed(31))),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
async def test_an_answer_is_read_to_a_small_bound_of_memory_and_time(bomb):
    """And meanwhile the loop goes on: no turn of it takes long."""
    async with peer(bomb) as port, sink_to(f"http://127.0.0.1:{port}/", timeout_seconds=2) as orders:
        tracemalloc.start()
        try:
            ticking = asyncio.create_task(longest_turn())
            began = time.monotonic()
            attempt = await sent(orders)
            took = time.monotonic() - began
            peak = tracemalloc.get_traced_memory()[1]
            ticking.cancel()
            (longest,) = await asyncio.gather(ticking)
        finally:
            tracemalloc.stop()
    assert attempt.reason is not None
    assert len(attempt.detail) <= 220
    assert took < 2 + ANSWER_SECONDS_MAX
    assert peak < 4_000_000
    assert longest < 0.5


async def test_nothing_is_unpacked():
    async def answer(request):
        return web.Response(status=500, body=gzip.compress(b"x" * 1_000), headers={"content-encoding": "gzip"})

    async with receiver(answer) as (url, _):
        assert "xxx" not in (await send_to(url)).detail


async def longest_turn():
    """Until it is cancelled: the longest time that the loop let this task wait, in seconds."""
    longest, last = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


DRIPS = {
    "headers": (b"HTTP/1.1 200 OK\r\nx: ", b"y", Reason.TIMEOUT),
    "body": (b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", b"y", None),
    "chunks": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\ny\r\n", None),
}


@pytest.mark.parametrize(("head", "drop", "reason"), DRIPS.values(), ids=DRIPS.keys())
async def test_a_slow_drip_ends_in_time_and_a_status_that_came_counts(head, drop, reason):
    async with peer(endless(head, drop, pause=0.01)) as port:
        began = time.monotonic()
        attempt = await send_to(f"http://127.0.0.1:{port}/", timeout_seconds=0.5)
        took = time.monotonic() - began
    assert attempt.reason is reason
    assert took < 1.5


async def test_who_drips_holds_nobody_else_up():
    head, drop, _ = DRIPS["headers"]
    drip, dripped_on = endless(head, drop, pause=0.01), []

    async def talk(reader, writer):
        dripped_on.append(writer)
        await drip(reader, writer)

    async with (
        peer(talk) as port,
        receiver(taken) as (url, got),
        sink_to(f"http://127.0.0.1:{port}/", timeout_seconds=5) as slow,
        sink_to(url) as healthy,
    ):
        hanging = [asyncio.create_task(sent(slow)) for _ in range(20)]
        await until(lambda: len(dripped_on) == len(hanging), 5, "not all are connected")
        began = time.monotonic()
        assert await sent(healthy) == Attempt()
        took = time.monotonic() - began
        assert not any(one.done() for one in hanging)
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
    assert len(got) == 1
    assert took < 1.0
