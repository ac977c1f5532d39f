"""Requests to an account as they go over the wire, and every end that they can have, as values."""

import asyncio
import base64
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from relay.core.tokens import ClientCredentials, token_request
from relay.core.zendesk import Endpoint, NoResponse, Request
from relay.errors import Reason
from relay.zendesk import transport
from relay.zendesk.transport import Peer, Transport, api_token, bearer, open_session

POLL = Request(endpoint=Endpoint.SHOW_MANY, ids=("V3-1", "V3-2"))
SIGNED = Request(endpoint=Endpoint.SHOW, ids=("V3-1",), access_token="4cc3ss")
TOKEN = token_request(ClientCredentials(client_id="relay", client_secret="cl13nt-s3cr3t"))


class Account:
    """A server that keeps what it gets, and answers as it is told."""

    def __init__(self):
        self.got = []
        self.answer = lambda: web.json_response({"ok": True}, headers={"X-Rate-Limit": "700"})

    async def handle(self, request):
        self.got.append((request.method, request.path_qs, request.headers, await request.read()))
        return self.answer()


@asynccontextmanager
async def serving(account):
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", account.handle)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def connected(**peer):
    """An account, and a transport to it."""
    account = Account()
    async with serving(account) as url, open_session() as session:
        yield account, Transport(Peer(base_url=url, **peer), session)


async def test_a_poll_is_signed_by_what_the_account_always_signs_with():
    async with connected(authorization=bearer("st4t1c")) as (account, zendesk):
        response = await zendesk.get(POLL)
    ((method, path, headers, _),) = account.got
    assert (method, path) == ("GET", "/api/v2/job_statuses/show_many.json?ids=V3-1,V3-2")
    assert headers["Authorization"] == "Bearer st4t1c"
    assert (response.status, response.headers["x-rate-limit"]) == (200, "700")
    assert orjson.loads(response.body) == {"ok": True}


async def test_a_poll_that_brings_its_access_token_is_signed_by_that():
    async with connected(headers={"X-Gateway-Key": "k"}) as (account, zendesk):
        await zendesk.get(SIGNED)
    ((_, path, headers, _),) = account.got
    assert path == "/api/v2/job_statuses/V3-1.json"
    assert headers["Authorization"] == "Bearer 4cc3ss"
    assert headers["X-Gateway-Key"] == "k"


async def test_a_request_for_a_token_is_json_and_signed_by_nothing_else():
    async with connected(headers={"X-Gateway-Key": "k"}) as (account, zendesk):
        await zendesk.post(TOKEN)
    ((method, path, headers, body),) = account.got
    assert (method, path, body) == ("POST", "/oauth/tokens", TOKEN.body)
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    assert headers["X-Gateway-Key"] == "k"


def test_api_tokens_are_basic_authentication():
    scheme, _, encoded = api_token("bot@acme.com", "t0ken").partition(" ")
    assert (scheme, base64.b64decode(encoded)) == ("Basic", b"bot@acme.com/token:t0ken")


@pytest.mark.parametrize("ask", [lambda zendesk: zendesk.get(SIGNED), lambda zendesk: zendesk.post(TOKEN)])
class TestHoweverItEnds:
    """The same for polls and for tokens."""

    async def test_a_redirect_is_not_followed(self, ask):
        """It would carry the credentials elsewhere."""
        async with connected() as (account, zendesk):
            account.answer = lambda: web.Response(status=307, headers={"Location": "/elsewhere"})
            assert (await ask(zendesk)).status == 307
        assert len(account.got) == 1

    async def test_a_proxy_is_asked(self, ask):
        lines = []

        async def proxy(reader, writer):
            lines.append((await reader.readuntil(b"\r\n")).decode().split())
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server, open_session() as session:
            port = server.sockets[0].getsockname()[1]
            peer = Peer(base_url="http://acme.invalid", proxy=f"http://127.0.0.1:{port}")
            assert (await ask(Transport(peer, session))).status == 407
        assert lines[0][1].startswith("http://acme.invalid/")

    async def test_a_server_that_does_not_speak_tls_is_told(self, ask):
        async with serving(Account()) as url, open_session() as session:
            peer = Peer(base_url=url.replace("http:", "https:"))
            response = await ask(Transport(peer, session))
        assert isinstance(response, NoResponse)
        assert response.reason is Reason.TLS

    async def test_nobody_there_is_told(self, ask):
        async with open_session() as session:
            peer = Peer(base_url=f"http://127.0.0.1:{unused_port()}")
            response = await ask(Transport(peer, session))
        assert response.reason is Reason.CONNECT

    async def test_a_host_that_cannot_be_is_told(self, ask):
        async with open_session() as session:
            response = await ask(Transport(Peer(base_url=f"http://{'ü' * 70}.example"), session))
        assert isinstance(response, NoResponse)
        assert response.reason is Reason.CONNECT

    async def test_a_reset_is_told_and_not_tried_again(self, ask):
        """One grant, one request: also where a kept connection turns out to be dead."""
        seen = []

        async def hang_up_the_second_time(reader, writer):
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    seen.append(head)
                    if head.startswith(b"POST"):
                        await reader.readexactly(len(TOKEN.body))
                    if len(seen) > 1:
                        break
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            except asyncio.IncompleteReadError:
                pass
            writer.close()

        async with await asyncio.start_server(hang_up_the_second_time, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with open_session() as session:
                zendesk = Transport(Peer(base_url=f"http://127.0.0.1:{port}"), session)
                assert (await ask(zendesk)).status == 200
                assert (await ask(zendesk)).reason is Reason.RESET
        assert len(seen) == 2

    async def test_a_body_over_the_bound_is_not_kept(self, ask, monkeypatch):
        monkeypatch.setattr(transport, "BODY_BYTES_MAX", 10)
        async with connected() as (_, zendesk):
            response = await ask(zendesk)
        assert response.reason is Reason.UNREADABLE


def test_no_secret_is_printed():
    peer = Peer(
        base_url="https://acme.zendesk.com",
        authorization=bearer("st4t1c"),
        headers={"X-Key": "k3y"},
        proxy="http://user:p4ss@proxy",
    )
    text = repr([peer, SIGNED, TOKEN])
    assert not [secret for secret in ("st4t1c", "k3y", "p4ss", "4cc3ss", "cl13nt") if secret in text]


@pytest.mark.parametrize(
    ("peer", "request_", "secret"),
    [
        ({"authorization": bearer("st4t1c-t0ken")}, POLL, "st4t1c-t0ken"),
        ({"authorization": api_token("bot@acme.com", "4p1-t0ken"), "secrets": ("4p1-t0ken",)}, POLL, "4p1-t0ken"),
        ({"authorization": api_token("bot@acme.com", "4p1-t0ken")}, POLL, api_token("bot@acme.com", "4p1-t0ken")[6:]),
        ({}, SIGNED, "4cc3ss"),
        ({"headers": {"X-Gateway-Key": "g4teway-k3y"}}, SIGNED, "g4teway-k3y"),
    ],
)
async def test_an_answer_that_echoes_a_secret_does_not_carry_it_further(peer, request_, secret):
    """Some gateways answer with the request they refuse, and an excerpt of a refusal gets into the log."""
    async with connected(**peer) as (account, zendesk):
        account.answer = lambda: web.Response(status=403, text=f"refused: {secret}!")
        response = await zendesk.get(request_)
    assert (response.status, response.body) == (403, b"refused: ***!")
