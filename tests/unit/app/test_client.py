"""The caller against a relay that is played: every answer, and none."""

import asyncio
from contextlib import asynccontextmanager
from io import BytesIO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.app import client
from relay.app.client import BusyError, Caller, NotReachedError, open_session, patiently
from relay.errors import ConfigError


@asynccontextmanager
async def relay(status, answer, headers=None):
    """Who calls a relay that always answers so, and the requests that it got."""
    got = []

    async def handle(request):
        got.append((request.method, request.path_qs, request.headers, await request.text()))
        return web.Response(status=status, text=answer, headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(application) as server, open_session(" key\n") as session:
        yield Caller(session, str(server.make_url("")).rstrip("/")), got


async def test_a_call_carries_key_query_and_body_and_brings_back_what_is_answered():
    async with relay(202, '{"jobs":[]}') as (caller, got):
        answer = await caller.call("POST", "/v1/jobs", expects="jobs", data={"id": 1}, query={"a": "b c", "limit": 1})
    assert answer == (202, {"jobs": []})
    [(method, path, headers, body)] = got
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/jobs?a=b+c&limit=1", "Bearer key")
    assert (headers["Content-Type"], body) == ("application/json", '{"id":1}')


async def test_a_problem_is_an_answer():
    async with relay(404, '{"code":"not_found","detail":"no such job"}') as (caller, _):
        assert (await caller.call("GET", "/", expects="jobs"))[0] == 404


async def test_a_key_that_does_not_open_says_how_to_set_one():
    async with relay(401, '{"code":"unauthorized","detail":"a key is required"}') as (caller, _):
        with pytest.raises(ConfigError, match="a key is required; set RELAY_API_KEY"):
            await caller.call("GET", "/", expects="jobs")


async def test_a_relay_under_pressure_says_when_to_come_back():
    answer = '{"code":"draining","detail":"this relay is shutting down"}'
    async with relay(503, answer, {"Retry-After": "2"}) as (caller, _):
        with pytest.raises(BusyError, match="shutting down") as busy:
            await caller.call("GET", "/", expects="jobs")
    assert busy.value.seconds == 2.0


async def test_what_relay_has_failed_at_may_be_asked_again():
    async with relay(500, '{"code":"ledger_unavailable","detail":"nothing is promised"}') as (caller, _):
        with pytest.raises(BusyError, match="fails: nothing is promised"):
            await caller.call("GET", "/", expects="jobs")


@pytest.mark.parametrize("answer", ["", "<html>", "[]", '{"error":"InvalidEndpoint"}'])
async def test_something_else_that_answers_is_no_relay(answer):
    async with relay(200, answer) as (caller, _):
        with pytest.raises(ConfigError, match="is no relay"):
            await caller.call("GET", "/", expects="jobs")


async def test_nobody_answers():
    async with open_session(None) as session:
        with pytest.raises(NotReachedError, match=r"no relay answers at http://127\.0\.0\.1:9 "):
            await Caller(session, "http://127.0.0.1:9").call("GET", "/", expects="jobs")


class Busy:
    """Cannot for so many times."""

    def __init__(self, times):
        self.times = times

    async def ask(self):
        if self.times > 0:
            self.times -= 1
            raise BusyError("draining", 0.0)
        return "answer"


async def test_a_busy_relay_is_asked_again():
    assert await patiently(Busy(2).ask) == "answer"


async def test_a_relay_that_stays_busy_is_given_up(monkeypatch):
    monkeypatch.setattr(client, "BUSY_TRIES_MAX", 3)
    with pytest.raises(BusyError):
        await patiently(Busy(10).ask)


async def test_a_file_is_taken_as_it_is():
    async with relay(200, "SQLite format 3") as (caller, got):
        await caller.download("/v1/ledger/backup", into := BytesIO())
    assert into.getvalue() == b"SQLite format 3"
    assert [(method, headers["Authorization"]) for method, _, headers, _ in got] == [("GET", "Bearer key")]


async def test_a_file_that_is_refused_says_why():
    async with relay(404, '{"code":"not_found","detail":"there is no file"}') as (caller, _):
        with pytest.raises(ConfigError, match="there is no file"):
            await caller.download("/", BytesIO())
    async with relay(503, '{"code":"ledger_unavailable","detail":"10 MB must be free"}') as (caller, _):
        with pytest.raises(BusyError, match="must be free"):
            await caller.download("/", BytesIO())


async def test_a_file_that_breaks_off_is_none():
    async def break_off(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nSQLite")
        writer.close()

    async with await asyncio.start_server(break_off, "127.0.0.1", 0) as server, open_session(None) as session:
        caller = Caller(session, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(NotReachedError):
            await caller.download("/", BytesIO())
