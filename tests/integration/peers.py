"""Who relay talks with: Zendesk accounts, each a simulator behind a port of its own, receivers of webhooks, clients."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import standardwebhooks
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from relay.simulator import SCENARIOS, Simulator, combine, serve

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RETRY_SCHEDULE_SECONDS = [0, *[0.2] * 30]


@dataclass(frozen=True, slots=True)
class Zendesk:
    """One account. `url`: its base_url. `requests`: what relay has asked so far, as the simulator logs it."""

    name: str
    url: str
    requests: Sequence[Any] = ()

    def section(self, *, requests_per_minute: float, **polling: float) -> dict[str, Any]:
        """Its place in relay's configuration; nothing is left to others."""
        return {
            "name": self.name,
            "base_url": self.url,
            "allow_http": True,
            "auth": {"kind": "bearer", "token": "demo"},
            "rate": {"max_requests_per_minute": requests_per_minute, "reserve": 0, "share": 1},
            "polling": polling,
        }

    async def truth(self) -> Mapping[str, dict[str, Any]]:
        """What becomes of each job, by id."""
        async with client() as session, session.get(f"{self.url}/simulator/truth") as answer:
            return {job["id"]: job for job in (await answer.json())["jobs"]}

    async def start_jobs(self, session: aiohttp.ClientSession, count: int, **wish: Any) -> list[dict[str, Any]]:
        """So many more jobs; Zendesk's objects."""
        async with session.post(f"{self.url}/simulator/jobs", json={"count": count, **wish}) as answer:
            assert answer.status == 201, await answer.text()
            return (await answer.json())["job_statuses"]


@asynccontextmanager
async def zendesk(name: str, *scenarios: str, seed: int = 1, token: str | None = None) -> AsyncIterator[Zendesk]:
    """`token`: the only one that is accepted; None: any."""
    simulator = Simulator(seed=seed, scenario=combine(*(SCENARIOS[each] for each in scenarios)), token=token)
    async with serve(simulator) as port:
        yield Zendesk(name, f"http://127.0.0.1:{port}", simulator.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A webhook as it came."""

    id: str
    body: bytes
    event: dict[str, Any]

    @property
    def job_id(self) -> str:
        return self.event["subject"]

    @property
    def terminal(self) -> bool:
        return self.event["data"]["outcome"] is not None


class Receiver:
    """Verifies and keeps what it gets; `answer` decides on the status. `forged`: what could not be verified."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[Message] = []
        self.taken: list[Message] = []
        self.forged: list[Exception] = []
        self.answer: Callable[[Message], Awaitable[int]] = take
        self.verifier = standardwebhooks.Webhook(SECRET)

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            event = self.verifier.verify(body, dict(request.headers))
        except standardwebhooks.WebhookVerificationError as error:
            self.forged.append(error)
            return web.Response(status=401)
        message = Message(id=request.headers["webhook-id"], body=body, event=event)
        self.got.append(message)
        status = await self.answer(message)
        if status < 300:
            self.taken.append(message)
        return web.Response(status=status)

    def by_job(self) -> Mapping[str, Sequence[Message]]:
        """All that came about each job, in the order of arrival."""
        messages: dict[str, list[Message]] = defaultdict(list)
        for message in self.got:
            messages[message.job_id].append(message)
        return messages

    def ended(self) -> set[str]:
        """Ids of the jobs whose terminal event it has taken."""
        return {message.job_id for message in self.taken if message.terminal}

    def section(self, name: str, **fields: Any) -> dict[str, Any]:
        """Its place in relay's configuration."""
        return {
            "name": name,
            "kind": "webhook",
            "url": self.url,
            "secrets": [SECRET],
            "allow_http": True,
            "allow_private": True,
            "retry_schedule_seconds": RETRY_SCHEDULE_SECONDS,
            **fields,
        }


async def take(_: Message) -> int:
    return 204


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    listener = Receiver()
    application = web.Application(client_max_size=1 << 20)
    application.router.add_post("/hook", listener.receive)
    async with TestServer(application) as server:
        listener.url = str(server.make_url("/hook"))
        yield listener


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """As patient as the tests."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


async def submit(session: aiohttp.ClientSession, url: Callable[[], str], body: object) -> list[dict[str, Any]]:
    """Hand jobs in as a client does: again and again, until it is told that they are recorded. What it is told."""
    while True:
        try:
            async with session.post(f"{url()}/v1/jobs", json=body) as answer:
                if answer.status == 202:
                    return (await answer.json())["jobs"]
                assert answer.status == 503, await answer.text()
        except (aiohttp.ClientError, OSError, ValueError):  # ValueError: there is no url yet
            pass
        await asyncio.sleep(0.05)


async def pages(session: aiohttp.ClientSession, url: str, **query: Any) -> list[dict[str, Any]]:
    """All jobs of a list, page by page."""
    jobs: list[dict[str, Any]] = []
    while True:
        async with session.get(f"{url}/v1/jobs", params=query) as answer:
            assert answer.status == 200, await answer.text()
            page = json.loads(await answer.read())
        jobs += page["jobs"]
        if page["cursor"] is None:
            return jobs
        query["cursor"] = page["cursor"]


async def metrics(session: aiohttp.ClientSession, url: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """By name of the sample: labels and value."""
    async with session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    samples = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name].append((sample.labels, sample.value))
    return samples
