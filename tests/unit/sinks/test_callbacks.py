"""Callbacks' sinks against a receiver on loopback."""

import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.core.allowlist import AllowedHost, Allowlist
from relay.core.events import render
from relay.core.job import Callback, TrackRequest
from relay.core.observe import give_up, track
from relay.core.signing import Secret, VerificationError, verify
from relay.errors import Reason
from relay.sinks.callbacks import CallbackSinks

OURS, THEIRS = Secret(key=b"o" * 24), Secret(key=b"t" * 24)
LOCAL = AllowedHost(pattern="127.0.0.1", allow_http=True, allow_private=True, secrets=(OURS,))
LOST = give_up(track(TrackRequest(account="acme", id="V3-1"), 1_770_105_600.0), 1_770_105_900.0)
OWN = Callback(url="https://orders.example.com/hook", metadata=b'{"mine":1}')
EVENT = render(LOST, LOST.events[-1], "https://acme.zendesk.com/api/v2/job_statuses", OWN)


@asynccontextmanager
async def callbacks(*hosts):
    sinks = CallbackSinks(Allowlist(hosts), system_clock=time.time)
    try:
        yield sinks
    finally:
        await sinks.close()


async def sent(sink):
    return await sink.send(sink.prepare(EVENT))


@asynccontextmanager
async def receiver():
    """The URL of one that takes everything, and what it got."""
    got = []

    async def take(request):
        got.append((request.path_qs, request.headers, await request.read()))
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/{path:.*}", take)
    async with TestServer(application) as server:
        yield str(server.make_url("/")), got


async def test_an_event_goes_to_the_url_signed_with_the_secrets_of_its_host():
    async with callbacks(LOCAL) as sinks, receiver() as (url, got):
        assert (await sent(sinks.sink_for(f"{url}done?job=%201"))).reason is None
    [(path, headers, body)] = got
    assert path == "/done?job=%201"
    verify([OURS], headers, body, now=time.time())
    with pytest.raises(VerificationError):
        verify([THEIRS], headers, body, now=time.time())
    assert b'"metadata":{"mine":1}' in body


async def test_a_url_that_is_not_allowed_any_more_has_no_sink():
    async with callbacks(LOCAL) as sinks:
        assert sinks.sink_for("http://127.0.0.1:8080/") is not None
        assert sinks.sink_for("http://localhost:8080/") is None
        sinks.renew(Allowlist())
        assert sinks.sink_for("http://127.0.0.1:8080/") is None


async def test_new_secrets_sign_the_next_attempt():
    async with callbacks(LOCAL) as sinks, receiver() as (url, got):
        sinks.renew(Allowlist([replace(LOCAL, secrets=(THEIRS,))]))
        await sent(sinks.sink_for(url))
    verify([THEIRS], got[0][1], got[0][2], now=time.time())


async def test_a_name_that_leads_to_a_private_address_is_not_called_unless_its_host_may():
    """Nor by a connection that was made where it is allowed."""
    name = replace(LOCAL, pattern="localhost")
    async with callbacks(name) as sinks, receiver() as (url, got):
        named = url.replace("127.0.0.1", "localhost")
        assert (await sent(sinks.sink_for(named))).reason is None
        sinks.renew(Allowlist([replace(name, allow_private=False)]))
        assert (await sent(sinks.sink_for(named))).reason is Reason.ADDRESS_REFUSED
    assert len(got) == 1
