"""Endpoints that are gone, dead or busy, at real sockets: who is asked when, and what is said of it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from email.utils import formatdate

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from integration import peers
from integration.peers import SECRET
from integration.processes import Relay, serving, until, write_config

BREAKER_SECONDS = 30.0  # an endpoint fails for so long before it is only tried now and then


class Endpoint:
    """What came: when (monotonic), and each body's subject and sequence. `answer` decides."""

    def __init__(self) -> None:
        self.url = ""
        self.times: list[float] = []
        self.came: list[tuple[str, int]] = []
        self.taken: list[tuple[str, int]] = []
        self.answer: Callable[[], web.Response] = take

    async def receive(self, request: web.Request) -> web.Response:
        self.times.append(time.monotonic())
        event = orjson.loads(await request.read())
        self.came.append((event["subject"], int(event["sequence"])))
        answer = self.answer()
        if answer.status < 300:
            self.taken.append(self.came[-1])
        return answer

    def ended(self) -> set[str]:
        return {subject for subject, _ in self.taken}


def take() -> web.Response:
    return web.Response(status=204)


def says(status: int, **headers: str) -> Callable[[], web.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: web.Response(status=status, headers=named)


@asynccontextmanager
async def endpoint():
    one = Endpoint()
    application = web.Application()
    application.router.add_post("/hook", one.receive)
    async with TestServer(application) as server:
        one.url = str(server.make_url("/hook"))
        yield one


@pytest.fixture
async def orders():
    async with endpoint() as one:
        yield one


@pytest.fixture
async def zendesk():
    async with peers.zendesk("acme", "fast") as account:
        yield account


@pytest.fixture
async def session():
    async with peers.client() as session:
        yield session


class Scene:
    def __init__(self, folder, zendesk, session, orders, **sink):
        self._zendesk, self._session = zendesk, session
        self.relay: Relay
        self._config = write_config(
            folder,
            accounts=[zendesk.section(requests_per_minute=1_200, fresh_within_seconds=0.05)],
            sinks=[
                {"name": "orders", "kind": "webhook", "url": orders.url, "secrets": [SECRET]}
                | {"allow_http": True, "allow_private": True, "retry_schedule_seconds": [0, *[0.2] * 99]}
                | sink
            ],
        )

    @asynccontextmanager
    async def running(self):
        async with serving(self._config) as self.relay:
            yield self.relay

    async def end_jobs(self, count, **wish):
        """Hand in so many jobs and wait until relay knows that they have ended; their ids, in this order."""
        wish = {"fate": "succeeded", "queue_seconds": 0, "work_seconds": 0.0} | wish
        statuses = await self._zendesk.start_jobs(self._session, count, **wish)
        await peers.submit(self._session, lambda: self.relay.url, {"jobs": [{"job_status": one} for one in statuses]})
        ids = [one["id"] for one in statuses]
        for job_id in ids:
            async with self._session.get(f"{self.relay.url}/v1/jobs/acme/{job_id}?wait=30") as answer:
                job = await answer.json()
                assert job["terminal"], (job, self.relay.log)
        return ids

    async def standing(self):
        async with self._session.get(f"{self.relay.url}/v1/sinks") as answer:
            (standing,) = (await answer.json())["sinks"]
            return standing

    async def becomes(self, state, seconds=10.0):
        async def is_so():
            return (await self.standing())["state"] == state

        await until(is_so, seconds, f"it is not {state}", every_seconds=0.05)

    async def resume(self):
        async with self._session.post(f"{self.relay.url}/v1/sinks/orders/resume") as answer:
            assert answer.status == 200

    async def shown_state(self):
        """The state that the metrics tell of."""
        samples = (await peers.metrics(self._session, self.relay.url))["relay_sink_state"]
        (state,) = [labels["state"] for labels, value in samples if labels["sink"] == "orders" and value == 1]
        return state


async def test_an_endpoint_that_is_gone_is_disabled_for_good_and_resumed_in_order(tmp_path, orders, zendesk, session):
    """In the API, the metrics and once in the log; a new process asks it nothing either, until somebody says so."""
    scene = Scene(tmp_path, zendesk, session, orders, concurrency=1)
    orders.answer = says(410)
    async with scene.running() as relay:
        ids = await scene.end_jobs(3)
        await scene.becomes("disabled")
        asked = len(orders.times)
        ids += await scene.end_jobs(3)
        standing = await scene.standing()
        assert (standing["pending"], standing["dead"]) == (6, 0)
        assert "410" in standing["error"]
        assert await scene.shown_state() == "disabled"
        assert [one["sink"] for one in relay.log if one["event"] == "sink.disabled"] == ["orders"]
        await relay.kill()
    async with scene.running() as relay:
        after = await scene.standing()
        assert (after["state"], after["error"]) == ("disabled", standing["error"])
        assert await scene.shown_state() == "disabled"
        await asyncio.sleep(1.0)
        assert len(orders.times) == asked == 1
        orders.answer = take
        await scene.resume()
        await until(lambda: len(orders.taken) == 6, 10, "what has waited does not come")
        assert (await scene.standing())["state"] == await scene.shown_state() == "active"
        assert [one["sink"] for one in relay.log if one["event"] == "sink.resumed"] == ["orders"]
    assert sorted(subject for subject, _ in orders.taken) == sorted(ids)
    assert {subject for subject, _ in orders.taken[:3]} == set(ids[:3]), "what has waited longer comes first"
    assert len(orders.came) == 7
    async with scene.running():
        assert (await scene.standing())["state"] == "active"


RETRY_AFTER_SECONDS = 3


@pytest.mark.parametrize(
    ("status", "retry_after"),
    [
        (429, lambda: str(RETRY_AFTER_SECONDS)),
        (503, lambda: str(RETRY_AFTER_SECONDS)),
        # A date has whole seconds: one more, so that it is never sooner.
        (429, lambda: formatdate(time.time() + RETRY_AFTER_SECONDS + 1, usegmt=True)),
    ],
    ids=["429-seconds", "503-seconds", "429-date"],
)
async def test_a_retry_after_is_obeyed_by_the_whole_endpoint(
    tmp_path, orders, zendesk, session, status: int, retry_after: Callable[[], str]
):
    """What is underway already may still come; then nothing does, whatever job it is about, until the time is over."""
    concurrency, jobs = 4, 20
    scene = Scene(tmp_path, zendesk, session, orders, concurrency=concurrency)
    told_at: list[float] = []

    def throttle() -> web.Response:
        told_at.append(time.monotonic())
        return web.Response(status=status, headers={"Retry-After": retry_after()})

    async with scene.running():
        orders.answer = throttle
        ids = await scene.end_jobs(jobs)
        await until(lambda: told_at, 10, "nothing was asked")
        assert (await scene.standing())["state"] == await scene.shown_state() == "throttled"
        orders.answer = take
        await until(lambda: orders.ended() == set(ids), RETRY_AFTER_SECONDS + 15, "not all have come")
        assert (await scene.standing())["state"] == "active"
    assert len(told_at) <= concurrency
    early = [at for at in orders.times[len(told_at) :] if at < told_at[0] + RETRY_AFTER_SECONDS]
    assert len(early) + len(told_at) <= concurrency
    assert len(orders.times) == jobs + len(told_at)


@pytest.mark.timeout(180)
async def test_a_dead_endpoint_is_tried_now_and_then_and_recovers_without_a_storm(tmp_path, orders, zendesk, session):
    """Its breaker opens, one attempt at a time finds out whether it is back, and then all that waited comes once."""
    concurrency, jobs = 4, 40
    scene = Scene(tmp_path, zendesk, session, orders, concurrency=concurrency, retry_schedule_seconds=[0, *[2] * 99])
    orders.answer = says(500)
    async with scene.running() as relay:
        ids = await scene.end_jobs(jobs)
        await scene.becomes("failing", BREAKER_SECONDS + 30)
        assert await scene.shown_state() == "failing"
        began, asked = time.monotonic(), len(orders.times)
        ids += await scene.end_jobs(jobs)
        await asyncio.sleep(max(0.0, began + 12 - time.monotonic()))
        assert 1 <= len(orders.times) - asked <= concurrency + 2, "as before, or not at all"
        standing = await scene.standing()
        assert (standing["state"], standing["pending"]) == ("failing", 2 * jobs)

        orders.answer = take
        asked = len(orders.times)
        await until(lambda: orders.ended() == set(ids), 60, "it is not tried any more")
        assert len(orders.times) - asked == 2 * jobs
        assert (await scene.standing())["state"] == await scene.shown_state() == "active"
        told = [one["event"] for one in relay.log if one["event"].startswith("sink.")]
        assert told == ["sink.failing", "sink.recovered"]
