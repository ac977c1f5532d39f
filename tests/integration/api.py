"""The HTTP API over real sockets, before jobs that are kept in a dict, events in memory, and sinks as listed."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from io import BytesIO
from itertools import count

import aiohttp
import orjson
from aiohttp import web
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from relay.core.delivery import Attempt
from relay.core.events import source_of
from relay.core.job import DELETED, Job, TrackRequest
from relay.core.observe import Rules, observe, record, track
from relay.core.record import Batch, JobView
from relay.core.sighting import sight
from relay.errors import UnknownSink
from relay.intake.access import Access
from relay.intake.account_calls import AccountCalls
from relay.intake.accounts import Account, Directory
from relay.intake.calls import JobCalls
from relay.intake.delivery_calls import DeliveryCalls
from relay.intake.event_calls import EventCalls
from relay.intake.gate import Bounds, Gate
from relay.intake.http import Calls, api, runner
from relay.intake.keys import ApiKey, Caller, Keyring
from relay.intake.ledger_calls import LedgerCalls
from relay.intake.probes import Probes
from relay.intake.problems import Code
from relay.intake.sink_calls import SinkCalls
from relay.ledger.memory import MemoryLedger
from relay.shard.feed import Feed
from relay.shard.feeds import Feeds

ACCOUNTS = (
    Account(name="acme", base_url="https://acme.zendesk.com"),
    Account(name="globex", base_url="https://globex.zendesk.com"),
)
JSON = {"Content-Type": "application/json"}


class DictJobs:
    """Jobs that are durable for as long as the process lives."""

    def __init__(self):
        self.jobs = {}
        self.deliveries = {}
        self.requests = []
        self.fails_with = None
        self.waiting = 0
        self._times = count(1_700_000_000)
        self._ended = defaultdict(asyncio.Event)

    async def track(self, requests):
        self._check()
        self.requests.extend(requests)
        created = []
        for request in requests:
            created.append(request.key not in self.jobs)
            if created[-1]:
                at = float(next(self._times))
                self.jobs[request.key] = Job(
                    account=request.account, id=request.id, tracked_at=at, metadata=request.metadata
                )
        return created

    async def untrack(self, key):
        self._check()
        return self.jobs.pop(key, None) is not None

    async def read(self, key):
        self._check()
        job = self.jobs.get(key)
        return None if job is None else JobView(job=job, deliveries=self.deliveries.get(key, ()))

    async def wait(self, key, seconds):
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._ended[key].wait()
        except TimeoutError:
            pass
        finally:
            self.waiting -= 1

    async def page(self, *, accounts, state, after, limit):
        self._check()
        known = [
            job
            for job in sorted(self.jobs.values(), key=_place)
            if (accounts is None or job.account in accounts)
            and state in {None, job.state}
            and job.state != DELETED
            and (after is None or _place(job) > _place(after))
        ]
        return known[:limit]

    def change(self, account, job_id, **fields):
        key = (account, job_id)
        self.jobs[key] = replace(self.jobs[key], **fields)
        if self.jobs[key].terminal:
            self._ended[key].set()

    def _check(self):
        if self.fails_with is not None:
            raise self.fails_with


def _place(job):
    return -job.tracked_at, job.account, job.id


class Station:
    """Who counts, and who tells about health and metrics."""

    def __init__(self):
        self.counted = defaultdict(int)
        self.acknowledged = []
        self.live_faults, self.ready_faults = [], []
        self.standings = []
        self.said = []

    def intake_jobs(self, source, result, count):
        self.counted[source, result] += count

    def intake_ack(self, seconds):
        self.acknowledged.append(seconds)

    def info(self, event, **fields):
        self.said.append((event, fields))

    def live(self):
        return self.live_faults

    def ready(self):
        return self.ready_faults

    async def standing(self):
        return self.standings

    async def metrics(self):
        return b"# HELP relay_up Whether it runs\n"


class Story:
    """Events that happen, in a ledger in memory, and the feed of them."""

    def __init__(self, accounts):
        self.ledger = MemoryLedger()
        self.feed = Feed(
            recorded=self.ledger, sources={account.name: source_of(account.base_url) for account in accounts}
        )
        self.feed.resume(0)
        self.events = Feeds([self.feed])
        self.jobs = {}
        self._positions = count(1)

    async def see(self, job_id, status="completed", *, account="acme", at=1_700_000_000.0, **fields):
        """Zendesk's word about a job, which makes a new event. The event."""
        before = self.jobs.get((account, job_id)) or track(TrackRequest(account=account, id=job_id), at)
        after = observe(before, sight({"id": job_id, "status": status, **fields}), at, Rules())
        assert after.sequence == before.sequence + 1
        job = record(after, next(self._positions))
        await self.commit(job, job.events[-1])
        return job.events[-1]

    async def resume(self):
        """As after a restart: nothing is in memory."""
        self.feed.resume((await self.ledger.positions()).newest)

    async def commit(self, job, *events):
        self.jobs[job.account, job.id] = job
        await self.ledger.commit(Batch(jobs=[job], events=[(job, event) for event in events]))
        self.feed.publish([job])


class ListedSinks:
    """Sinks as they are listed, and deliveries, the newest jobs first. `asked`: what has been asked of them."""

    def __init__(self):
        self.standings = []
        self.rows = []
        self.attempt = Attempt()
        self.asked = []
        self.fails_with = None

    async def standing(self):
        self._check()
        return self.standings

    async def pause(self, name):
        self._ask("pause", name)

    async def resume(self, name):
        self._ask("resume", name)

    async def test(self, name):
        self._ask("test", name)
        return self.attempt

    async def recover(self, name, since, until):
        self._ask("recover", name, since, until)
        return len(self.rows)

    async def deliveries(self, wanted, after, limit):
        self._check()
        fitting = [
            (delivery, job)
            for delivery, job in self.rows
            if delivery.state is wanted.state
            and wanted.sink in {None, delivery.sink}
            and (wanted.since is None or delivery.since >= wanted.since)
            and (wanted.until is None or delivery.since < wanted.until)
            and (after is None or delivery.key < after)
        ]
        return sorted(fitting, key=lambda row: row[0].key, reverse=True)[:limit]

    async def retry(self, key):
        self._check()
        self.asked.append(("retry", key))
        return any(delivery.key == key for delivery, _ in self.rows)

    def _ask(self, what, name, *more):
        self._check()
        if all(standing.name != name for standing in self.standings):
            raise UnknownSink(name)
        self.asked.append((what, name, *more))

    def _check(self):
        if self.fails_with is not None:
            raise self.fails_with


class Intake:
    """The intake with all its surroundings, and a client."""

    def __init__(self, keys, accounts, bounds, backups=None):
        self.jobs, self.station, self.gate = DictJobs(), Station(), Gate(bounds)
        self.access = Access(keyring=Keyring(keys), directory=Directory(accounts))
        self.story, self.sinks = Story(accounts), ListedSinks()
        self.calls = Calls(
            jobs=JobCalls(
                jobs=self.jobs, access=self.access, gate=self.gate, observer=self.station, monotonic=count().__next__
            ),
            events=EventCalls(events=self.story.events, access=self.access, gate=self.gate),
            accounts=AccountCalls(accounts=self.station, access=self.access),
            sinks=SinkCalls(sinks=self.sinks, access=self.access, gate=self.gate),
            deliveries=DeliveryCalls(sinks=self.sinks, access=self.access, gate=self.gate),
            ledger=LedgerCalls(backups=backups, access=self.access, gate=self.gate, log=self.station),
        )
        self.probes = Probes(health=self.station, gate=self.gate, metrics=self.station.metrics)
        self.session = self.served = self.port = None

    async def call(self, method, path, body=None, **options):
        if body is not None:
            options["data"] = orjson.dumps(body)
            options["headers"] = JSON | options.get("headers", {})
        if isinstance(options.get("data"), bytes):
            options["data"] = BytesIO(options["data"])
        async with self.session.request(method, path, **options) as response:
            return response, await response.read()

    async def answer(self, method, path, body=None, **options):
        response, content = await self.call(method, path, body, **options)
        return response.status, orjson.loads(content) if content else None

    async def refusal(self, method, path, body=None, **options):
        """The status and the problem, which has everything a problem has."""
        response, content = await self.call(method, path, body, **options)
        return response, problem_in(response.status, response.content_type, content)

    async def submit(self, *ids, **beside):
        status, answer = await self.answer("POST", "/v1/jobs", {"jobs": [{"id": each, **beside} for each in ids]})
        assert status == 202
        return answer["jobs"]


def problem_in(status, content_type, content):
    problem = orjson.loads(content)
    assert content_type == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "code", "detail", "errors"}
    assert problem["status"] == status
    assert problem["type"] == f"urn:relay:problem:{Code(problem['code'])}"
    return problem


def validator(document, reference):
    return Draft202012Validator({**document, "$ref": reference})


async def assert_described(intake, response, content, path):
    """The answer to a call, which the description has at this path, is as described there."""
    _, document = await intake.answer("GET", "/openapi.json")
    answer = document["paths"][path][response.method.lower()]["responses"][str(response.status)]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    reference = answer["content"][response.content_type]["schema"]["$ref"]
    validator(document, reference).validate(orjson.loads(content))


@asynccontextmanager
async def running(*keys, accounts=ACCOUNTS[:1], bounds=None, face=None, backups=None):
    intake = Intake(keys, accounts, bounds or Bounds(drain_seconds=1), backups)
    served = runner((face or api_of)(intake), intake.gate.bounds)
    await served.setup()
    try:
        await web.TCPSite(served, "127.0.0.1", 0).start()
        intake.served, intake.port = served, served.addresses[0][1]
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{intake.port}", connector=connector) as intake.session:
            yield intake
    finally:
        await served.cleanup()


def api_of(intake, **options):
    return api(calls=intake.calls, probes=intake.probes, **options)


def key(name, *scopes, accounts=("*",)):
    return ApiKey.of(f"{name}-key", Caller(name=name, scopes=frozenset(scopes), accounts=accounts))


def bearer(name):
    return {"headers": {"Authorization": f"Bearer {name}-key"}}


async def raw(port, *parts, pause=0.0):
    """What is answered to these bytes, until the answer is complete."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length:")), ":0")
        return head, await reader.readexactly(int(length.partition(":")[2]))
    finally:
        writer.close()
        await writer.wait_closed()


def head_of(*lines, method="POST", path="/v1/jobs"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: relay", "Content-Type: application/json", *lines, "", ""])
