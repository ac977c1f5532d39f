"""The webhook sink against real receivers on loopback, each playing one answer."""

import asyncio
import shutil
import ssl
import subprocess
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import standardwebhooks
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.core.delivery import Attempt
from relay.core.events import render, structured
from relay.core.job import TrackRequest
from relay.core.observe import give_up, track
from relay.core.signing import Secret
from relay.core.webhook import Webhook
from relay.errors import Reason
from relay.sinks.guard import guarded_session
from relay.sinks.receive import receiver_application
from relay.sinks.webhook import WebhookSink

SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
LOST = give_up(track(TrackRequest(account="acme", id="V3-1"), 1_770_105_600.0), 1_770_105_900.0)
EVENT = render(LOST, LOST.events[-1], "https://acme.zendesk.com/api/v2/job_statuses")


@asynccontextmanager
async def sink_to(url, *, secrets=SECRETS, allow_private=True, timeout_seconds=5.0, **fields):
    webhook = Webhook(
        name="orders",
        url=str(url),
        secrets=tuple(map(Secret.parse, secrets)),
        timeout_seconds=timeout_seconds,
        **fields,
    )
    sink = WebhookSink(webhook, session=guarded_session(allow_private=allow_private), system_clock=time.time)
    try:
        yield sink
    finally:
        await sink.close()


@asynccontextmanager
async def receiver(answer, **server):
    """An HTTP server that answers every request with `answer(request)`; yields its URL and what it got."""
    got = []

    async def handle(request):
        got.append((request, await request.read()))
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(application, **server) as running:
        yield running.make_url("/hook"), got


@asynccontextmanager
async def peer(talk):
    """A TCP server that speaks as it likes; yields its port."""
    talking = set()

    async def serve(reader, writer):
        talking.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await server.wait_closed()


async def send_to(url, **sink):
    async with sink_to(url, **sink) as orders:
        return await orders.send(EVENT)


async def answered(status, body=b"", headers=None):
    async def answer(request):
        return web.Response(status=status, body=body, headers=headers)

    async with receiver(answer) as (url, got):
        attempt = await send_to(url)
    assert len(got) == 1, "an answer is never followed by a second request"
    return attempt


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, None),
        (204, None),
        (400, Reason.REFUSED),
        (410, Reason.GONE),
        (429, Reason.RATE_LIMITED),
        (500, Reason.SERVER_ERROR),
        (503, Reason.UNAVAILABLE),
    ],
)
async def test_an_answer_ends_as_what_it_means(status, reason):
    assert (await answered(status)).reason is reason


async def test_a_redirect_is_a_failure_and_is_not_followed():
    attempt = await answered(301, headers={"location": "/elsewhere"})
    assert attempt == Attempt(reason=Reason.REDIRECT, detail="301")


async def test_retry_after_and_the_beginning_of_the_body_are_kept():
    attempt = await answered(429, b"slow down\n", {"retry-after": "7"})
    assert attempt == Attempt(reason=Reason.RATE_LIMITED, detail="429 slow down", retry_after_seconds=7.0)


async def test_any_standard_webhooks_library_can_verify_what_is_sent():
    """With each of the secrets; and what is signed is what is sent."""

    async def answer(request):
        return web.Response()

    async with receiver(answer) as (url, got):
        assert await send_to(url, headers={"x-team": "orders"}) == Attempt()
    [(request, body)] = got
    for secret in SECRETS:
        verified = standardwebhooks.Webhook(secret).verify(body, dict(request.headers))
        assert verified["id"] == EVENT.id == request.headers["webhook-id"]
    assert body == structured(EVENT)
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["user-agent"].startswith("relay/")
    assert request.headers["x-team"] == "orders"


async def test_a_receiver_that_never_answers_is_a_timeout():
    async def hang(reader, writer):
        await asyncio.Event().wait()

    async with peer(hang) as port:
        attempt = await send_to(f"http://127.0.0.1:{port}/", timeout_seconds=0.2)
    assert attempt.reason is Reason.TIMEOUT


async def test_a_taken_event_is_taken_even_if_the_body_never_ends():
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        await asyncio.Event().wait()

    async with peer(half) as port:
        assert await send_to(f"http://127.0.0.1:{port}/", timeout_seconds=0.3) == Attempt()


async def test_a_reset_connection():
    async def reset(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with peer(reset) as port:
        assert (await send_to(f"http://127.0.0.1:{port}/")).reason is Reason.RESET


@pytest.mark.parametrize(
    "noise", [b"\x00\xff garbage\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200\x00 OK\r\n\r\n"]
)
async def test_garbage_is_unreadable(noise):
    async def babble(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(noise)
        await writer.drain()

    async with peer(babble) as port:
        attempt = await send_to(f"http://127.0.0.1:{port}/")
    assert attempt.reason is Reason.UNREADABLE
    assert attempt.detail.isprintable()


async def test_endless_headers_are_unreadable():
    async def babble(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            writer.write(b"x-%d: %s\r\n" % (number, b"y" * 8_000))
            await writer.drain()

    async with peer(babble) as port:
        assert (await send_to(f"http://127.0.0.1:{port}/")).reason in {Reason.UNREADABLE, Reason.RESET}


async def test_of_a_huge_body_only_the_beginning_is_read():
    sent = 0

    async def flood(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 1000000000\r\n\r\n")
        while sent < 1_000_000_000:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with peer(flood) as port:
        attempt = await send_to(f"http://127.0.0.1:{port}/")
    assert (attempt.reason, attempt.detail) == (Reason.SERVER_ERROR, "500 " + "x" * 200)
    assert sent < 50_000_000  # what the buffers of the system take in


async def test_nobody_listens():
    async with peer(lambda reader, writer: asyncio.sleep(0)) as port:
        pass
    assert (await send_to(f"http://127.0.0.1:{port}/")).reason is Reason.CONNECT


async def test_a_name_that_does_not_exist():
    """`.invalid` never does (RFC 2606)."""
    attempt = await send_to("https://nowhere.invalid/", timeout_seconds=15)
    assert attempt.reason in {Reason.DNS, Reason.TIMEOUT}


async def test_plain_http_behind_https_is_a_tls_error():
    async def answer(request):
        return web.Response()

    async with receiver(answer) as (url, got):
        assert (await send_to(url.with_scheme("https"))).reason is Reason.TLS
    assert got == []


@pytest.fixture
def self_signed(tmp_path):
    """The files of a certificate for loopback and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 1"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", names, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    return certificate, key


async def test_a_certificate_that_nobody_vouches_for_is_a_tls_error(self_signed):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed)

    async def answer(request):
        return web.Response()

    application = web.Application()
    application.router.add_post("/", answer)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=context)
    try:
        attempt = await send_to(server.make_url("/"))
    finally:
        await server.close()
    assert attempt.reason is Reason.TLS


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "127.1", "2130706433"],
)
async def test_an_address_inside_is_refused_before_a_connection_is_made(host):
    """Literal addresses and names alike, however they are written."""
    connected = False

    async def note(reader, writer):
        nonlocal connected
        connected = True

    async with peer(note) as port:
        attempt = await send_to(f"http://{host}:{port}/", allow_private=False)
    assert attempt.reason is Reason.ADDRESS_REFUSED
    assert not connected


@pytest.mark.parametrize("host", ["0.0.0.0", "169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[::]"])
async def test_metadata_and_unspecified_addresses_are_refused_even_where_private_ones_are_allowed(host):
    assert (await send_to(f"http://{host}:1/", allow_private=True)).reason is Reason.ADDRESS_REFUSED


async def test_localhost_is_found_where_private_addresses_are_allowed():
    async def answer(request):
        return web.Response()

    async with receiver(answer) as (url, got):
        assert await send_to(url.with_host("localhost")) == Attempt()
    assert len(got) == 1


async def test_a_proxy_in_the_environment_is_ignored(monkeypatch):
    """It would resolve names for us, past the guard."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert (await answered(200)) == Attempt()


async def test_a_connection_is_used_again():
    async def answer(request):
        return web.Response(text="thank you")

    async with receiver(answer) as (url, got), sink_to(url) as orders:
        for _ in range(3):
            assert await orders.send(EVENT) == Attempt()
    assert len({request.protocol for request, _ in got}) == 1


async def test_cancelling_is_not_swallowed():
    arrived = asyncio.Event()

    async def hang(reader, writer):
        arrived.set()
        await asyncio.Event().wait()

    async with peer(hang) as port:
        sending = asyncio.create_task(send_to(f"http://127.0.0.1:{port}/"))
        await arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_a_closed_sink_fails_without_raising():
    async with sink_to("http://127.0.0.1:1/") as orders:
        await orders.close()
        assert (await orders.send(EVENT)).reason is Reason.CONNECT


class TestReceiver:
    """The receiver of `relay receive`, at the other end of the sink."""

    @asynccontextmanager
    async def running(self, secrets=SECRETS[:1], clock=time.time):
        events, refusals = [], []
        application = receiver_application(
            [Secret.parse(text) for text in secrets],
            on_event=events.append,
            on_refusal=refusals.append,
            system_clock=clock,
        )
        async with TestServer(application) as server:
            yield server.make_url("/any/path"), events, refusals

    async def test_it_takes_what_the_sink_signs(self):
        async with self.running() as (url, events, refusals):
            assert await send_to(url) == Attempt()
        assert [event["id"] for event in events] == [EVENT.id]
        assert refusals == []

    async def test_it_refuses_another_secret(self):
        async with self.running() as (url, events, refusals):
            attempt = await send_to(url, secrets=SECRETS[1:])
        assert attempt == Attempt(reason=Reason.REFUSED, detail="401 no signature matches")
        assert (events, refusals) == ([], ["no signature matches"])

    async def test_it_refuses_an_old_message(self):
        async with self.running(clock=lambda: time.time() + 900) as (url, events, _):
            assert (await send_to(url)).detail.startswith("401 webhook-timestamp")
        assert events == []

    async def test_without_a_secret_it_takes_all(self):
        async with self.running(secrets=()) as (url, events, _):
            assert await send_to(url, secrets=()) == Attempt()
        assert len(events) == 1

    @pytest.mark.parametrize("data", [b"", b"[1]", b"nonsense"])
    async def test_it_refuses_what_is_no_event(self, data, aiohttp_client):
        refusals = []
        application = receiver_application(
            [], on_event=refusals.append, on_refusal=refusals.append, system_clock=time.time
        )
        client = await aiohttp_client(application)
        async with client.post("/", data=data) as response:
            assert response.status == 400
            assert (await response.text()).startswith("the body is not")
        assert len(refusals) == 1


async def test_every_repeat_has_the_same_id_and_body_and_a_new_time():
    seconds = iter([1_770_105_600.9, 1_770_105_600.9, 1_770_105_605.2, 1_770_105_605.2])

    async def answer(request):
        return web.Response(status=500)

    async with receiver(answer) as (url, got):
        hook = Webhook(name="orders", url=str(url), secrets=(Secret.parse(SECRETS[0]),))
        sink = WebhookSink(hook, session=guarded_session(allow_private=True), system_clock=lambda: next(seconds))
        await sink.send(EVENT)
        await sink.send(replace(EVENT))
        await sink.close()
    (first, one), (second, other) = got
    assert one == other
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [request.headers["webhook-timestamp"] for request, _ in got] == ["1770105600", "1770105605"]
