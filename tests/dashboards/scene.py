"""A real relay under load, with all that dashboards are for: accounts and sinks that are well, and others."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from zlib import crc32

import aiohttp
from integration import peers
from integration.peers import Message, Receiver, Zendesk
from integration.processes import serving, write_config

PAUSE_SECONDS = {"initech": 10.0}  # on average, between a few jobs and the next, else a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`accounts`: acme and globex are well, initech is denied, hooli has a small budget. `orders`, `audit`, `archive`:
    receivers, of which audit fails and archive refuses some of what it gets.
    """

    url: str
    accounts: Sequence[Zendesk]
    orders: Receiver
    audit: Receiver
    archive: Receiver
    session: aiohttp.ClientSession

    async def metrics(self) -> str:
        """Relay's own page of them."""
        async with self.session.get(f"{self.url}/metrics") as answer:
            return await answer.text()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """While it lasts, jobs are started at each account and handed in."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        acme = await enter(peers.zendesk("acme", "demo"))
        globex = await enter(peers.zendesk("globex", "mixed", "flaky"))
        initech = await enter(peers.zendesk("initech", "demo", token="another"))
        hooli = await enter(peers.zendesk("hooli", "demo"))
        orders, audit, archive = [await enter(peers.receiver()) for _ in range(3)]
        audit.answer, archive.answer = failing, refusing
        config = write_config(
            folder,
            accounts=[
                acme.section(requests_per_minute=120),
                globex.section(requests_per_minute=60),
                initech.section(requests_per_minute=60),
                hooli.section(requests_per_minute=12),
            ],
            sinks=[
                {"name": "console", "kind": "log", "events": ["*"]},
                orders.section("orders", events=["*"]),
                audit.section("audit", retry_schedule_seconds=[0, 5, 60, 600]),
                archive.section("archive", retry_schedule_seconds=[0]),
            ],
        )
        relay = await enter(serving(config))
        session = await enter(peers.client())
        accounts = (acme, globex, initech, hooli)
        loads = [asyncio.create_task(_load(session, lambda: relay.url, account)) for account in accounts]
        try:
            yield Scene(url=relay.url, accounts=accounts, orders=orders, audit=audit, archive=archive, session=session)
        finally:
            for load in loads:
                load.cancel()
            await asyncio.wait(loads)


async def failing(_: Message) -> int:
    return 500


async def refusing(message: Message) -> int:
    """The events of one job in sixteen."""
    return 204 if crc32(message.job_id.encode()) % 16 else 400


async def _load(session: aiohttp.ClientSession, url: Callable[[], str], account: Zendesk) -> None:
    """A few jobs at a time, until it is cancelled: what was started is handed in as Zendesk told it."""
    random = Random(account.name)
    while True:
        started = await account.start_jobs(session, random.randint(1, 3), work_seconds=random.uniform(0.2, 12.0))
        items = [{"job_status": status, "account": account.name} for status in started]
        await peers.submit(session, url, {"jobs": items})
        await asyncio.sleep(random.expovariate(1.0 / PAUSE_SECONDS.get(account.name, 1.0)))
