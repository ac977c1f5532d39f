"""The webhook sink against real receivers on loopback, each playing one answer."""

import asyncio
import gc
import socket
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
import standardwebhooks
from aiohttp import web
from aiohttp.test_utils import TestServer
from authority import Authority
from integration.endpoints import EVENT, SECRETS, peer, receiver, send_to, sent, sink_to
from msgspec.structs import replace

from relay.core.delivery import Attempt
from relay.core.events import structured
from relay.core.signing import Secret, signer, verifier, verify
from relay.core.webhook import Webhook
from relay.errors import Reason
from relay.sinks.guard import guarded_session
from relay.sinks.receive import receiver_application
from relay.sinks.webhook import WebhookSink

PRIVATE = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
PUBLIC = "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g="


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


async def test_nobody_listens():
    async with peer(lambda reader, writer: asyncio.sleep(0)) as port:
        pass
    assert (await send_to(f"http://127.0.0.1:{port}/")).reason is Reason.CONNECT


@pytest.mark.parametrize("listens", [True, False])
async def test_failed_attempts_leave_nothing_to_the_garbage_collector(listens):
    """They may go on for days."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()  # the system takes connections, and nobody reads from them
        async with sink_to(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_seconds=0.05) as orders:
            await sent(orders)
            gc.collect()
            gc.disable()
            try:
                for _ in range(20):
                    assert (await sent(orders)).reason is (Reason.TIMEOUT if listens else Reason.CONNECT)
                assert gc.collect() < 10 * 20  # asyncio's transports leave some, uvloop's do not
            finally:
                gc.enable()


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


async def test_a_certificate_that_nobody_vouches_for_is_a_tls_error(tmp_path):
    async with receiver(tls=Authority(tmp_path).server()) as (url, got):
        assert (await send_to(url)).reason is Reason.TLS
    assert got == []


async def test_localhost_is_found_where_private_addresses_are_allowed():
    async def answer(request):
        return web.Response()

    async with receiver(answer) as (url, got):
        assert await send_to(url.with_host("localhost")) == Attempt()
    assert len(got) == 1


async def test_a_connection_is_used_again():
    async def answer(request):
        return web.Response(text="thank you")

    async with receiver(answer) as (url, got), sink_to(url) as orders:
        for _ in range(3):
            assert await sent(orders) == Attempt()
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
        assert (await sent(orders)).reason is Reason.CONNECT


class TestReceiver:
    """The receiver of `relay receive`, at the other end of the sink."""

    @asynccontextmanager
    async def running(self, secrets=SECRETS[:1], clock=time.time):
        events, refusals = [], []
        application = receiver_application(
            [verifier(text) for text in secrets],
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

    async def test_it_takes_what_a_private_key_signs(self):
        async with self.running([PUBLIC]) as (url, events, refusals):
            assert await send_to(url, secrets=[PRIVATE]) == Attempt()
            assert (await send_to(url, secrets=SECRETS)).detail == "401 no signature matches"
        assert (len(events), refusals) == (1, ["no signature matches"])

    @pytest.mark.parametrize(
        ("old", "new"),
        [((SECRETS[0], SECRETS[0]), (SECRETS[1], SECRETS[1])), ((SECRETS[0], SECRETS[0]), (PRIVATE, PUBLIC))],
    )
    async def test_a_key_rotates_while_each_receiver_changes_at_its_own_time(self, old, new):
        """The sink signs with the old key, with both, with the new one; from one kind of key to the other, too."""
        holding = {"old": [old[1]], "new": [new[1]], "both": [old[1], new[1]]}
        accepted = {}
        for holder, verifying in holding.items():
            async with self.running(verifying) as (url, _, _), sink_to(url, secrets=[old[0]]) as sink:
                for stage, signing in {"before": [old[0]], "meanwhile": [new[0], old[0]], "after": [new[0]]}.items():
                    sink.renew(Webhook(name="orders", url=str(url), secrets=tuple(map(signer, signing))))
                    accepted[holder, stage] = (await sent(sink)).reason is None
        assert {key for key, good in accepted.items() if not good} == {("old", "after"), ("new", "before")}

    @pytest.mark.parametrize("tampered", ["body", "webhook-id", "webhook-timestamp"])
    async def test_it_refuses_what_was_changed_on_the_way(self, tampered):
        changed = {"body": lambda body: body.replace(b"V3-1", b"V3-2")}
        async with self.running([*SECRETS, PUBLIC]) as (url, events, refusals):

            async def man_in_the_middle(request):
                headers = {
                    name: value for name, value in request.headers.items() if name.lower().startswith("webhook-")
                }
                if tampered in headers:
                    headers[tampered] = headers[tampered][:-1] + ("0" if headers[tampered][-1] != "0" else "1")
                body = changed.get(tampered, bytes)(await request.read())
                async with aiohttp.request("POST", url, data=body, headers=headers) as answer:
                    return web.Response(status=answer.status)

            async with receiver(man_in_the_middle) as (between, _):
                for key in (SECRETS[0], PRIVATE):
                    assert (await send_to(between, secrets=[key])).reason is Reason.REFUSED
        assert (events, refusals) == ([], ["no signature matches"] * 2)

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
    now = 1_770_105_600.9

    async def answer(request):
        return web.Response(status=500)

    async with receiver(answer) as (url, got):
        hook = Webhook(name="orders", url=str(url), secrets=(Secret.parse(SECRETS[0]),))
        sink = WebhookSink(hook, session=guarded_session(allow_private=True), system_clock=lambda: now)
        await sent(sink)
        now = 1_770_105_605.2
        await sent(sink, replace(EVENT))
        await sink.close()
    (first, one), (second, other) = got
    assert one == other
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [request.headers["webhook-timestamp"] for request, _ in got] == ["1770105600", "1770105605"]


async def test_what_was_prepared_for_other_secrets_is_signed_once_more():
    old, new = map(Secret.parse, SECRETS)

    async with receiver() as (url, got):
        sink = WebhookSink(
            Webhook(name="orders", url=str(url), secrets=(old,)),
            session=guarded_session(allow_private=True),
            system_clock=time.time,
        )
        prepared = sink.prepare(EVENT)
        await sink.send(prepared)
        sink.renew(Webhook(name="orders", url=str(url), secrets=(new,)))
        await sink.send(prepared)
        await sink.close()
    for (request, body), secret in zip(got, (old, new), strict=True):
        verify([secret], request.headers, body, now=time.time())
