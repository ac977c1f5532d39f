import socket
import ssl

import pytest
from authority import Authority
from integration.endpoints import peer, proxy

from relay.app.checks import Verdict
from relay.app.checks.sinks import explain, try_sink, unusable
from relay.config.sinks import LogSink, WebhookSink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(url, **fields):
    section = {"name": "orders", "kind": "webhook", "url": url, "secrets": [SECRET], "allow_http": True, **fields}
    return WebhookSink.model_validate(section)


async def test_there_is_nothing_to_try_of_a_log():
    assert (await try_sink(LogSink(name="console", kind="log"))).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("url", "allow_private"),
    [
        ("http://127.0.0.1:9/", False),
        ("http://[::ffff:127.0.0.1]:9/", False),
        ("http://169.254.169.254/latest", False),
        ("http://169.254.169.254/latest", True),
    ],
)
async def test_an_address_that_relay_would_not_connect_to_is_not_connected_to(url, allow_private):
    finding = await try_sink(webhook(url, allow_private=allow_private))
    assert finding.verdict is Verdict.FAILED
    assert "is refused" in finding.detail


async def test_the_path_and_the_query_of_the_url_stay_unsaid():
    finding = await try_sink(webhook("http://127.0.0.1:9/very/s3cr3t?token=s3cr3t"))
    assert finding.detail.startswith("http://127.0.0.1:9: ")
    assert "s3cr3t" not in repr(finding)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


async def drop(reader, writer):
    await reader.read(1)


async def test_an_endpoint_of_ones_own_authority_can_be_reached(authority):
    async with peer(drop, ssl=authority.server()) as port:
        there = {"url": f"https://127.0.0.1:{port}/", "allow_private": True}
        good = await try_sink(webhook(**there, ca_file=str(authority.ca_file)))
        bad = await try_sink(webhook(**there))
    assert (good.verdict, good.detail) == (
        Verdict.OK,
        f"https://127.0.0.1:{port}: can be reached, and its certificate is good",
    )
    assert bad.verdict is Verdict.FAILED
    assert "ca_file" in bad.advice


async def test_an_endpoint_is_reached_as_it_will_be_through_its_proxy(authority):
    async with peer(drop, ssl=authority.server()) as port, proxy(port) as (between, heads):
        section = webhook(
            "https://localhost:1234/", allow_private=True, ca_file=str(authority.ca_file), proxy=by(between)
        )
        finding = await try_sink(section)
    assert (finding.verdict, finding.detail) == (
        Verdict.OK,
        "https://localhost:1234: can be reached through its proxy, and its certificate is good",
    )
    assert heads[0].startswith("CONNECT localhost:1234 HTTP/1.1\r\n")


async def test_no_request_is_made_of_a_proxy_that_would_make_it_itself():
    async with peer(drop) as port:
        finding = await try_sink(webhook("http://orders.example.com/", proxy=by(port)))
    assert (finding.verdict, finding.detail) == (
        Verdict.OK,
        "http://orders.example.com:80: its proxy can be reached",
    )


async def test_what_a_proxy_says_no_to_is_told_without_the_password():
    async with proxy(status="407 Proxy Authentication Required") as (port, _):
        finding = await try_sink(webhook("https://orders.example.com/", proxy=by(port)))
    assert finding.verdict is Verdict.FAILED
    assert finding.detail.endswith("the proxy answers 407 Proxy Authentication Required")
    assert "check `proxy`" in finding.advice
    assert "s3cret" not in repr(finding)


async def test_a_proxy_is_not_asked_for_what_is_private():
    async with proxy() as (port, heads):
        finding = await try_sink(webhook("https://db.internal/", proxy=by(port)))
    assert (finding.verdict, heads) == (Verdict.FAILED, [])
    assert finding.detail == "https://db.internal:443: the address is refused: a private name"


def by(port):
    return f"http://user:s3cret@127.0.0.1:{port}"


@pytest.mark.parametrize("key", ["ca_file", "client_cert_file"])
async def test_a_file_that_cannot_be_used_fails_with_and_without_a_network(key):
    section = webhook("https://orders.example.com/", **{key: "absent.pem"})
    assert unusable(section) == await try_sink(section)
    assert unusable(section).verdict is Verdict.FAILED
    assert unusable(section).detail == f"sinks.orders.{key}: absent.pem cannot be read: No such file or directory"


def test_without_such_files_there_is_nothing_to_say():
    assert unusable(webhook("https://orders.example.com/")) is None
    assert unusable(LogSink(name="console", kind="log")) is None


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "no connection in time"),
        (socket.gaierror("the name x cannot be looked up"), "the name x cannot be looked up"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS: "),
        (OSError("the name has no address"), "the name has no address"),
    ],
)
def test_every_trouble_is_told_with_what_to_do(error, detail):
    told, advice = explain(error)
    assert told.startswith(detail)
    assert advice
