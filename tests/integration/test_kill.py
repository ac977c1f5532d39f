"""`kill -9` at random moments, start included: what was acknowledged survives, and the budget holds."""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from integration import peers
from integration.peers import Zendesk
from integration.processes import Relay, serving, until, write_config
from integration.promises import Arrival, assert_in_order, assert_spaced, assert_told_right

KILLS = 30
GAP_SECONDS = 0.2  # between two requests
KILLED_AT_START = 0.4  # so many of the processes; the others live on for a while once they have started
LIFE_SECONDS_MAX = 0.7
ANSWER_SECONDS_MAX = 0.2  # of the receivers: so that most kills meet deliveries in flight
FATES = ("succeeded", "partially_failed", "all_failed", "failed", "killed")


class House:
    """Where a relay lives, is killed and comes back: at another address each time, on the same ledger."""

    def __init__(self, config: Path, chance: Random) -> None:
        self._config, self._chance = config, chance
        self.url = ""
        self.past: list[Relay] = []

    @asynccontextmanager
    async def relay(self):
        """One that is ready, for good."""
        async with serving(self._config) as relay:
            self.past.append(relay)
            self.url = relay.url
            yield relay

    async def relay_killed(self) -> None:
        relay = await Relay.start(self._config)
        self.past.append(relay)
        try:
            if self._chance.random() >= KILLED_AT_START:
                await relay.ready()
                self.url = relay.url
            await asyncio.sleep(self._chance.uniform(0, LIFE_SECONDS_MAX))
        finally:
            await relay.kill()


class Pulse:
    """When this process's event loop, and with it Zendesk and the receivers, was awake."""

    def __init__(self) -> None:
        self.beats: list[float] = []

    async def run(self) -> None:
        while True:
            self.beats.append(time.time())
            await asyncio.sleep(0.002)


@asynccontextmanager
async def in_the_background(*jobs):
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def submit_jobs(house: House, account: Zendesk, chance: Random, over: asyncio.Event) -> list[str]:
    """One client: a few jobs at a time, each group until it is acknowledged."""
    ids: list[str] = []
    async with peers.client() as session:
        while not over.is_set():
            work_seconds = chance.uniform(0.2, 4.0)
            statuses = await account.start_jobs(session, 3, fate=chance.choice(FATES), work_seconds=work_seconds)
            told = await peers.submit(session, lambda: house.url, {"jobs": [{"job_status": each} for each in statuses]})
            ids += [job["id"] for job in told]
            await asyncio.sleep(0.1)
    return ids


def answers_after_a_while(chance: Random):
    async def answer(_):
        await asyncio.sleep(chance.uniform(0, ANSWER_SECONDS_MAX))
        return 204

    return answer


@pytest.mark.timeout(400)
async def test_thirty_kills_lose_nothing_and_break_no_promise(tmp_path):
    """Every acknowledged job has its end told, repeats under the same id; the order per job and the rate hold."""
    pulse, over = Pulse(), asyncio.Event()
    async with AsyncExitStack() as stack:
        account = await stack.enter_async_context(peers.zendesk("acme", "fast"))
        everything, endings = [await stack.enter_async_context(peers.receiver()) for _ in range(2)]
        everything.answer = endings.answer = answers_after_a_while(Random(2))
        config = write_config(
            tmp_path,
            accounts=[account.section(requests_per_minute=60 / GAP_SECONDS, fresh_within_seconds=0.05)],
            sinks=[everything.section("everything", events=["*"]), endings.section("endings")],
            events={"progress_min_interval_seconds": 0.1},
        )
        house = House(config, Random(1))
        clients = (submit_jobs(house, account, Random(n), over) for n in range(4))
        async with in_the_background(pulse.run(), *clients) as (_, *submitting):
            for _ in range(KILLS):
                await house.relay_killed()
            over.set()
            async with house.relay():
                ids = {job_id for acknowledged in await asyncio.gather(*submitting) for job_id in acknowledged}
                await until(lambda: ids <= everything.ended() and ids <= endings.ended(), 60, "jobs are lost")
        truth = await account.truth()

    assert len(ids) > 5 * KILLS
    for receiver in (everything, endings):
        assert_told_right(receiver, truth, ids)
        assert_in_order(receiver)
        assert len(receiver.got) > len({message.id for message in receiver.got}), "kills met deliveries in flight"
    assert len(account.requests) > KILLS
    assert_spaced([Arrival.of(record.at, pulse.beats) for record in account.requests], gap_seconds=GAP_SECONDS)
    assert [complaint for relay in house.past for complaint in relay.complaints()] == []


async def test_a_new_process_waits_one_gap_before_its_first_request(tmp_path):
    """Its predecessor may have asked just before it was killed, and nothing says so."""
    gap_seconds, construction_seconds = 2.0, 0.5
    async with peers.zendesk("acme", "fast") as account, peers.client() as session:
        config = write_config(tmp_path, accounts=[account.section(requests_per_minute=60 / gap_seconds)])
        stuck = (await account.start_jobs(session, 1, fate="stuck"))[0]
        for number in range(3):
            async with serving(config) as relay:
                await peers.submit(session, lambda url=relay.url: url, {"job_status": stuck})
                await until(lambda made=number: len(account.requests) > made, 30, "no request")
                assert account.requests[-1].at > relay.started_at - construction_seconds + gap_seconds
    assert_spaced([Arrival(after=record.at, at=record.at) for record in account.requests], gap_seconds=gap_seconds)


async def test_a_retry_after_outlives_a_kill(tmp_path):
    """The wait that Zendesk asked for is durable: whoever starts within it does not ask."""
    wait_seconds = 6
    asked: list[float] = []

    async def throttle(_):
        asked.append(time.time())
        return web.Response(status=429, headers={"Retry-After": str(wait_seconds)})

    application = web.Application()
    application.router.add_get("/{path:.*}", throttle)
    async with TestServer(application) as server, peers.client() as session:
        account = Zendesk("acme", str(server.make_url("")).rstrip("/"))
        config = write_config(tmp_path, accounts=[account.section(requests_per_minute=600)])
        async with serving(config) as relay:
            await peers.submit(session, lambda: relay.url, {"id": "V3-1"})
            await relay.logged("account.paused")
            await peers.submit(session, lambda: relay.url, {"id": "V3-2"})  # recorded after the wait
        async with serving(config):
            await until(lambda: len(asked) > 1, wait_seconds + 10, "the account never went on")
    assert asked[1] - asked[0] >= wait_seconds
