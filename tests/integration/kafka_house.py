"""A relay that is built upon Kafka, and what tests do with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import ConsumerRecord
from integration import peers
from integration.peers import Zendesk
from integration.processes import Relay, serving, write_config

ACCOUNT = "acme"
FATES = ("succeeded", "partially_failed", "all_failed", "failed", "killed")


@dataclass(frozen=True, slots=True)
class House:
    """`config`: of relays that live here, one after another."""

    config: Path
    account: Zendesk
    session: aiohttp.ClientSession

    async def start_jobs(self, count: int, **wish: Any) -> list[dict[str, Any]]:
        """At Zendesk; relay knows nothing of them yet."""
        return await self.account.start_jobs(self.session, count, **wish)

    async def submit(self, relay: Relay, statuses: list[dict[str, Any]]) -> set[str]:
        """By HTTP; their ids."""
        body = {"jobs": [{"job_status": status} for status in statuses]}
        return {job["id"] for job in await peers.submit(self.session, lambda: relay.url, body)}

    async def jobs(self, relay: Relay) -> list[dict[str, Any]]:
        """All that it knows."""
        return await peers.pages(self.session, relay.url)

    async def live(self, relay: Relay) -> float:
        """How many jobs it tracks."""
        samples = await peers.metrics(self.session, relay.url)
        return sum(value for _, value in samples["relay_jobs_tracked"])

    async def counted(self, relay: Relay, name: str) -> dict[str, float]:
        """A counter that is fed from Kafka, by its result."""
        samples = (await peers.metrics(self.session, relay.url))[name]
        return {labels["result"]: value for labels, value in samples if labels["source"] == "kafka"}


@asynccontextmanager
async def house(folder: Path, bootstrap: str, **sections: Any) -> AsyncIterator[House]:
    """With one Zendesk account. `sections`: of the configuration, beside what is usual."""
    async with peers.zendesk(ACCOUNT, "fast") as account, peers.client() as session:
        usual = {
            "accounts": [account.section(requests_per_minute=3_000, fresh_within_seconds=0.05)],
            "kafka": {"bootstrap_servers": bootstrap},
        }
        yield House(write_config(folder, **(usual | sections)), account, session)


@asynccontextmanager
async def relay_on(folder: Path, bootstrap: str, **sections: Any) -> AsyncIterator[tuple[House, Relay]]:
    """A house and a relay in it that is ready."""
    async with house(folder, bootstrap, **sections) as found, serving(found.config) as relay:
        yield found, relay


async def output(*command: str | bytes | Path, given: bytes = b"") -> str:
    """What a program prints that must succeed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    printed, _ = await process.communicate(given)
    assert process.returncode == 0, command
    return printed.decode()


def ended(records: Sequence[ConsumerRecord[bytes, bytes]]) -> set[str]:
    """The jobs whose end these records tell, in binary mode."""
    told = [orjson.loads(record.value) for record in records]
    return {data["job_id"] for data in told if data["outcome"]}


def assert_in_order(records: list[Any]) -> None:
    """Per job the sequence only grows, when repeats are left out, as receivers do."""
    newest: dict[bytes, int] = {}
    seen: set[bytes] = set()
    for record in records:
        headers = dict(record.headers)
        if headers["ce_id"] not in seen:
            sequence = int(headers["ce_sequence"])
            assert sequence > newest.get(record.key, 0), record.key
            newest[record.key] = sequence
            seen.add(headers["ce_id"])


def bus(topic: str, **fields: Any) -> dict[str, Any]:
    """A sink's section."""
    return {"name": "bus", "kind": "kafka", "topic": topic, **fields}


def reads(topic: str, dead_letter_topic: str, **fields: Any) -> dict[str, Any]:
    """The section of an intake."""
    return {"kafka": {"topic": topic, "dead_letter_topic": dead_letter_topic, **fields}}


def item(**fields: Any) -> bytes:
    return orjson.dumps(fields)
