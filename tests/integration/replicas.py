"""Replicas as processes of their own on one Kafka, the Zendesk that they share, and what must hold whatever befalls
them.
"""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import aiohttp
import orjson
from aiokafka import ConsumerRecord
from integration import peers
from integration.kafka_house import FATES, ended
from integration.processes import Relay, write_config
from integration.promises import Arrival, assert_spaced
from kafka.topics import Topics

from relay.simulator import SCENARIOS, Simulator, serve
from relay.simulator.answer import Request

ACCOUNTS = tuple(f"acme-{number}" for number in range(8))
PARTITIONS = 4
GAP_SECONDS = 0.25  # between two requests to one account, whichever replica makes them
LATE_SECONDS = 3 * GAP_SECONDS  # several processes share the machine, and one may sleep between decision and request
SESSION_SECONDS = 20.0
AWAKE_SECONDS = 0.002


class Asked(NamedTuple):
    """A request as it came: when, for which account, by which replica."""

    at: float
    account: str
    replica: str


class Zendesk:
    """All accounts, each a simulator at a port of its own. `urls`: by account. `beats`: when this process was awake."""

    def __init__(self) -> None:
        self.urls: dict[str, str] = {}
        self.asked: list[Asked] = []
        self.beats: list[float] = []

    async def start(self, stack: AsyncExitStack) -> None:
        for account in ACCOUNTS:
            port = await stack.enter_async_context(serve(Observed(account, self.asked)))
            self.urls[account] = f"http://127.0.0.1:{port}"
        beating = asyncio.create_task(self._beat())
        stack.callback(beating.cancel)

    async def _beat(self) -> None:
        while True:
            self.beats.append(time.time())
            await asyncio.sleep(AWAKE_SECONDS)


class Observed(Simulator):
    """Notes who asks: each replica has a token of its own."""

    def __init__(self, account: str, asked: list[Asked]) -> None:
        super().__init__(seed=ACCOUNTS.index(account), scenario=SCENARIOS["fast"])  # ids of jobs are their own
        self._name = account
        self._asked = asked

    def answer(self, request: Request, now: float) -> Any:
        self._asked.append(Asked(now, self._name, (request.authorization or "").rpartition(" ")[2]))
        return super().answer(request, now)


@dataclass(slots=True, kw_only=True)
class Replicas:
    """`running`: by name. `past`: all that ever ran. `names`: of the topics intake, dead, events, ledger."""

    folder: Path
    bootstrap: str
    zendesk: Zendesk
    topics: Topics
    names: Mapping[str, str]
    session: aiohttp.ClientSession
    sections: Mapping[str, Any]
    running: dict[str, Relay] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    past: list[Relay] = field(default_factory=list)

    async def start(self, *names: str) -> None:
        """Until they are ready."""
        for name in names:
            self.running[name] = relay = await Relay.start(self._config(name))
            self.past.append(relay)
        await asyncio.gather(*(self.running[name].ready() for name in names))

    async def kill(self, name: str) -> None:
        await self.running.pop(name).kill()

    async def stop(self, name: str) -> None:
        """As Kubernetes does."""
        relay = self.running.pop(name)
        relay.signal(signal.SIGTERM)
        assert await relay.ended(30) == 0, relay.stderr

    def freeze(self, name: str) -> None:
        self.frozen.add(name)
        self.running[name].signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.frozen.discard(name)
        self.running[name].signal(signal.SIGCONT)

    async def end(self) -> None:
        for name in list(self.running):
            await self.kill(name)

    @property
    def urls(self) -> Sequence[str]:
        """Of those that answer."""
        return [relay.url for name, relay in self.running.items() if name not in self.frozen and relay.url]

    async def owned(self) -> Mapping[str, int]:
        """How many partitions each says that it owns; of those that answer."""
        found: dict[str, int] = {}
        for name, relay in list(self.running.items()):
            if name not in self.frozen and relay.url:
                samples = await peers.metrics(self.session, relay.url)
                found[name] = int(sum(value for _, value in samples["relay_partitions_owned"]))
        return found

    async def all_owned(self, *, seconds: float = 60.0, by: int | None = None) -> float:
        """Wait until every partition has an owner (`by`: so many replicas); how long that took."""
        began = time.monotonic()
        found: Mapping[str, int] = {}
        try:
            async with asyncio.timeout(seconds):
                while sum(found.values()) != PARTITIONS or (by is not None and sum(map(bool, found.values())) != by):
                    await asyncio.sleep(0.1)
                    found = await self.owned()
        except TimeoutError:
            raise AssertionError(f"after {seconds:g} s: {found} of {PARTITIONS} partitions are owned") from None
        return time.monotonic() - began

    def all_asked(self) -> bool:
        """Whether each that runs has asked Zendesk for something."""
        return self.running.keys() <= {one.replica for one in self.zendesk.asked}

    async def submit(self, chance: Random, count: int) -> set[str]:
        """To any replica, until one has acknowledged them; their ids."""
        account = chance.choice(ACCOUNTS)
        wish = {"fate": chance.choice(FATES), "work_seconds": chance.uniform(0.2, 3.0)}
        url = f"{self.zendesk.urls[account]}/simulator/jobs"
        async with self.session.post(url, json={"count": count, **wish}) as answer:
            statuses = (await answer.json())["job_statuses"]
        jobs = {"jobs": [{"account": account, "job_status": status} for status in statuses]}
        told = await peers.submit(self.session, lambda: chance.choice(self.urls), jobs)
        return {job["id"] for job in told}

    async def submit_until(self, over: asyncio.Event, chance: Random, *, count: int = 3) -> set[str]:
        ids: set[str] = set()
        while not over.is_set():
            ids |= await self.submit(chance, count)
            await asyncio.sleep(0.1)
        return ids

    async def events(self, ids: set[str], *, seconds: float) -> Sequence[ConsumerRecord[bytes, bytes]]:
        """All of the topic, once the end of these jobs stands there."""
        records = await self.topics.read_until(self.names["events"], lambda found: ended(found) >= ids, seconds=seconds)
        missing = ids - ended(records)
        assert not missing, f"of {len(ids)} acknowledged jobs {len(missing)} have no end: {sorted(missing)[:3]}"
        return records

    def _config(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return write_config(folder, **self._sections(name, folder))

    def _sections(self, name: str, folder: Path) -> dict[str, Any]:
        ledger = {
            "kind": "kafka",
            "cluster": self.names["ledger"],
            "topic": self.names["ledger"],
            "partitions": PARTITIONS,
        }
        return {
            "accounts": [self._account(account, name) for account in ACCOUNTS],
            "kafka": {"bootstrap_servers": self.bootstrap},
            "ledger": ledger | {"path": str(folder)},
            "intake": {
                "kafka": {
                    "topic": self.names["intake"],
                    "group": self.names["ledger"],
                    "dead_letter_topic": self.names["dead"],
                }
            },
            "sinks": [{"name": "bus", "kind": "kafka", "topic": self.names["events"], "events": ["*"]}],
            **self.sections,
        }

    def _account(self, account: str, replica: str) -> dict[str, Any]:
        return {
            "name": account,
            "base_url": self.zendesk.urls[account],
            "allow_http": True,
            "auth": {"kind": "bearer", "token": replica},
            "rate": {"max_requests_per_minute": 60 / GAP_SECONDS, "reserve": 0, "share": 1},
            "polling": {"fresh_within_seconds": 0.2},
        }


@asynccontextmanager
async def replicas(folder: Path, bootstrap: str, **sections: Any) -> AsyncIterator[Replicas]:
    """None runs yet. Whatever runs at the end is killed. `sections`: of the configuration, beside what is usual."""
    topics, zendesk = Topics(bootstrap), Zendesk()
    names = {
        "intake": await topics.create("intake", partitions=PARTITIONS),
        "dead": await topics.create("dead"),
        "events": await topics.create("events", partitions=2),
    }
    names["ledger"] = names["intake"].replace("intake", "ledger")
    async with AsyncExitStack() as stack:
        await zendesk.start(stack)
        found = Replicas(
            folder=folder,
            bootstrap=bootstrap,
            zendesk=zendesk,
            topics=topics,
            names=names,
            session=await stack.enter_async_context(peers.client()),
            sections=sections,
        )
        stack.push_async_callback(found.end)
        yield found


def assert_told_exactly_once(records: Sequence[ConsumerRecord[bytes, bytes]], ids: set[str]) -> None:
    """Of each job: every event once, numbered from 1 without gaps, and the last one, and no other, is terminal."""
    stories: dict[str, list[tuple[int, str, bool]]] = defaultdict(list)
    for record in records:
        data, headers = orjson.loads(record.value), dict(record.headers)
        told = (int(headers["ce_sequence"]), headers["ce_type"].decode(), data["outcome"] is not None)
        stories[data["job_id"]].append(told)
    for job_id in ids:
        story = stories[job_id]
        assert [sequence for sequence, *_ in story] == list(range(1, len(story) + 1)), (job_id, story)
        assert [terminal for *_, terminal in story] == [False] * (len(story) - 1) + [True], (job_id, story)


def assert_budgets_held(zendesk: Zendesk) -> None:
    """Of each account, in the sum of all replicas."""
    by_account: dict[str, list[Arrival]] = defaultdict(list)
    for asked in zendesk.asked:
        by_account[asked.account].append(Arrival.of(asked.at, zendesk.beats))
    for arrivals in by_account.values():
        assert_spaced(arrivals, gap_seconds=GAP_SECONDS, late_seconds=LATE_SECONDS)


def assert_nobody_returned(zendesk: Zendesk, frozen: str, *, thawed_at: float) -> None:
    """Once others had asked for an account, the replica that slept meanwhile asked for it no more, unless it got it
    back, which takes it a while.
    """
    taken_over = {one.account for one in zendesk.asked if one.at < thawed_at and one.replica != frozen}
    again = [one for one in zendesk.asked if one.replica == frozen and thawed_at <= one.at < thawed_at + 0.2]
    assert not [one for one in again if one.account in taken_over], again
