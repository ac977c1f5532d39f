"""One trace from the submitter to every event, whichever way the job comes in and the event goes out."""

from contextlib import AsyncExitStack

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from integration.kafka_house import ACCOUNT, bus, house, item, reads
from integration.listening import listening
from integration.peers import SECRET
from integration.processes import serving, until
from kafka.topics import Message

BY_HTTP, BY_KAFKA, OF_CALLBACK = (f"00-4bf92f3577b34da6a3ce929d0e0e47{n}-00f067aa0ba902b7-01" for n in (36, 37, 38))


@pytest.fixture
async def hooks():
    """Webhooks as they come: by path and job, the trace in the head and the one in the event."""
    got = {}

    async def take(request):
        event = orjson.loads(await request.read())
        got[request.path, event["subject"]] = request.headers.get("traceparent"), event.get("traceparent")
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/{name}", take)
    async with TestServer(application) as server:
        got["url"] = str(server.make_url("/")).rstrip("/")
        yield got


async def test_the_trace_of_the_submission_is_in_every_event(tmp_path, kafka, topics, hooks):
    """A callback hears the one of the submission that named it."""
    intake, dead, events = [await topics.create(name) for name in ("intake", "dead", "events")]
    safe = {"allow_http": True, "allow_private": True, "secrets": [SECRET]}
    sections = {
        "intake": reads(intake, dead),
        "sinks": [bus(events), {"name": "orders", "kind": "webhook", "url": f"{hooks['url']}/sink", **safe}],
        "callbacks": {"allow": [{"host": "127.0.0.1", **safe}]},
    }
    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(house(tmp_path, kafka, **sections))
        relay = await stack.enter_async_context(serving(home.config))
        live = await stack.enter_async_context(listening(home.session, relay.url, type="zendesk.job.completed"))
        first, second = [status["id"] for status in await home.start_jobs(2, fate="succeeded", work_seconds=0.3)]
        await submit(home, relay, {"id": first}, BY_HTTP)
        await submit(home, relay, {"id": first, "callback_url": f"{hooks['url']}/callback"}, OF_CALLBACK)
        trace = [("traceparent", BY_KAFKA.encode())]
        await topics.produce(intake, Message(item(id=second, account=ACCOUNT), headers=trace))
        await until(lambda: len(hooks) == 4, 20, "all webhooks have come")
        records = await topics.read(events, 2)
        async with home.session.get(f"{relay.url}/v1/events") as answer:
            page = {(event["subject"], event["traceparent"]) for event in (await answer.json())["events"]}
        streamed = {told.job_id: told.event["traceparent"] for told in await live.take(2)}
    wanted = {first: BY_HTTP, second: BY_KAFKA}
    assert {job: hooks["/sink", job] for job in wanted} == {job: (trace, trace) for job, trace in wanted.items()}
    assert hooks["/callback", first] == (OF_CALLBACK, OF_CALLBACK)
    headers = [{name: value.decode() for name, value in record.headers} for record in records]
    assert {each["ce_subject"]: each["ce_traceparent"] for each in headers} == wanted
    assert streamed == wanted
    assert page == set(wanted.items())


async def submit(home, relay, body, trace):
    headers = {"traceparent": trace}
    async with home.session.post(f"{relay.url}/v1/jobs", json=body, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
