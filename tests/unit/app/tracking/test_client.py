"""The client against a relay that is played: every answer, and none."""

from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.app.tracking.client import BusyError, Client, NotReachedError, NotTrackedError, Tracked, open_session
from relay.errors import ConfigError

JOB = Tracked(account="acme", id="V3-1", created=True, href="/v1/jobs/acme/V3-1")


@asynccontextmanager
async def relay(status, answer, headers=None):
    """A client of a relay that always answers so, and the requests that it got."""
    got = []

    async def handle(request):
        got.append((request.method, request.path_qs, dict(request.headers), await request.text()))
        return web.Response(status=status, text=answer, headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(application) as server, open_session(" key\n") as session:
        yield Client(session, str(server.make_url("")).rstrip("/")), got


async def test_jobs_are_handed_in_with_account_and_key():
    answer = '{"jobs":[{"account":"acme","id":"V3-1","result":"created","href":"/v1/jobs/acme/V3-1"}]}'
    async with relay(202, answer) as (client, got):
        assert await client.track(["V3-1"], "acme") == [JOB]
    [(method, path, headers, body)] = got
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/jobs", "Bearer key")
    assert body == '{"jobs":[{"id":"V3-1","account":"acme"}]}'


async def test_each_refused_job_is_named_with_its_fault():
    answer = '{"code":"invalid_field","errors":[{"index":1,"pointer":"/jobs/1","detail":"no good"}]}'
    async with relay(422, answer) as (client, _):
        with pytest.raises(ConfigError, match=r"none of these jobs:\n  V3-b: no good$"):
            await client.track(["V3-a", "V3-b"], None)


async def test_a_key_that_does_not_open_says_how_to_set_one():
    async with relay(401, '{"code":"unauthorized","detail":"a key is required"}') as (client, _):
        with pytest.raises(ConfigError, match="a key is required; set RELAY_API_KEY"):
            await client.track(["V3-1"], None)


async def test_a_relay_under_pressure_says_when_to_come_back():
    answer = '{"code":"draining","detail":"this relay is shutting down"}'
    async with relay(503, answer, {"Retry-After": "2"}) as (client, _):
        with pytest.raises(BusyError, match="shutting down") as busy:
            await client.look(JOB, 1.0)
    assert busy.value.seconds == 2.0


async def test_a_job_that_relay_does_not_know_any_more():
    async with relay(404, '{"code":"not_found","detail":"no such job"}') as (client, got):
        with pytest.raises(NotTrackedError, match="acme/V3-1"):
            await client.look(JOB, 0.5)
    assert got[0][1] == "/v1/jobs/acme/V3-1?wait=0.5"


@pytest.mark.parametrize("answer", ["<html>", "[]", '{"error":"InvalidEndpoint"}'])
async def test_something_else_that_answers_is_no_relay(answer):
    async with relay(200, answer) as (client, _):
        with pytest.raises(ConfigError, match="is no relay"):
            await client.track(["V3-1"], None)


async def test_nobody_answers():
    async with open_session(None) as session:
        with pytest.raises(NotReachedError, match=r"no relay answers at http://127\.0\.0\.1:9 "):
            await Client(session, "http://127.0.0.1:9").track(["V3-1"], None)
