"""Signals: SIGTERM and SIGINT drain, SIGHUP reads the configuration again, and one ledger has one process."""

import asyncio
import signal
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import orjson
import pytest
from integration import peers
from integration.peers import Zendesk
from integration.processes import Relay, serving, until, write_config

DRAIN_SECONDS = 10.0
KEY = "0123456789abcdef"


@pytest.fixture
async def session():
    async with peers.client() as session:
        yield session


@pytest.fixture
async def account():
    async with peers.zendesk("acme", "fast") as account:
        yield account


@pytest.fixture
async def receiver():
    async with peers.receiver() as receiver:
        yield receiver


def config_of(folder: Path, account: Zendesk, *sinks: object, **sections: object) -> Path:
    section = account.section(requests_per_minute=600, fresh_within_seconds=0.2)
    return write_config(folder, accounts=[section], sinks=sinks, **sections)


async def drained(relay: Relay, number: signal.Signals) -> float:
    """Seconds until it ended well after this signal."""
    began = time.monotonic()
    relay.signal(number)
    assert await relay.ended() == 0
    assert list(relay.complaints()) == []
    return time.monotonic() - began


class Clients:
    """Hand in jobs until nobody answers any more. `acknowledged`: their ids; `refusals`: the codes of what was said."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.refusals: set[str] = set()

    async def run(self, session: aiohttp.ClientSession, url: str, ids: list[str]) -> None:
        for job_id in ids:
            try:
                async with session.post(f"{url}/v1/jobs", json={"id": job_id}) as answer:
                    said = await answer.json(content_type=None)
            except aiohttp.ClientConnectionError:
                return
            if answer.status == 202:
                self.acknowledged.add(job_id)
            else:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) > 0
                self.refusals.add(said["code"])
            await asyncio.sleep(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_drain_under_load_is_quick_and_keeps_what_was_acknowledged(
    number, tmp_path, account, receiver, session
):
    config = config_of(tmp_path, account, receiver.section("everything", events=["*"]))
    clients = Clients()
    async with serving(config) as relay:
        load = [
            asyncio.create_task(clients.run(session, relay.url, [f"V3-{n}-{m}" for m in range(100_000)]))
            for n in range(8)
        ]
        await until(lambda: len(clients.acknowledged) > 200, 10, "no load")
        assert await drained(relay, number) < DRAIN_SECONDS
        await asyncio.gather(*load)
    assert clients.refusals <= {"draining"}
    async with serving(config) as relay:
        kept = {job["id"] for job in await peers.pages(session, relay.url, limit=500)}
    assert clients.acknowledged <= kept


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_again_and_again_changes_nothing(number, tmp_path, account):
    """To the very end of the process, which outlives its event loop by a moment."""
    async with serving(config_of(tmp_path, account)) as relay:
        ending = asyncio.create_task(drained(relay, number))
        while not ending.done():
            with suppress(ProcessLookupError):
                relay.signal(number)
            await asyncio.sleep(0.005)
        assert await ending < DRAIN_SECONDS


async def deliver_slowly(relay: Relay, session: aiohttp.ClientSession, account: Zendesk, count: int) -> set[str]:
    """Jobs that have ended, whose receiver is busy with the first of them."""
    statuses = await account.start_jobs(session, count, queue_seconds=0, work_seconds=0)
    told = await peers.submit(session, lambda: relay.url, {"jobs": [{"job_status": each} for each in statuses]})
    return {job["id"] for job in told}


async def test_a_drain_awaits_the_attempt_in_flight_and_begins_no_other(tmp_path, account, receiver, session):
    """What the receiver has taken is recorded, so that the next process does not send it again; the rest goes on."""

    async def answer(_):
        await asyncio.sleep(1.5)
        return 204

    receiver.answer = answer
    config = config_of(tmp_path, account, receiver.section("endings", concurrency=1))
    async with serving(config) as relay:
        ids = await deliver_slowly(relay, session, account, 5)
        await until(lambda: receiver.got, 10, "nothing was sent")
        assert await drained(relay, signal.SIGTERM) < 4
    assert len(receiver.taken) == len(receiver.got) == 1
    receiver.answer = peers.take
    async with serving(config) as relay:
        await until(lambda: ids <= receiver.ended(), 10, "the rest was not sent")
    assert len(receiver.got) == len(ids), "nothing was sent twice"


async def test_a_receiver_that_never_answers_does_not_hold_up_the_drain(tmp_path, account, receiver, session):
    over = asyncio.Event()

    async def answer(_):
        await over.wait()
        return 204

    receiver.answer = answer
    config = config_of(tmp_path, account, receiver.section("endings", timeout_seconds=60))
    async with serving(config) as relay:
        ids = await deliver_slowly(relay, session, account, 20)
        await until(lambda: receiver.got, 10, "nothing was sent")
        assert await drained(relay, signal.SIGTERM) < DRAIN_SECONDS
        over.set()
    receiver.answer = peers.take
    async with serving(config):
        await until(lambda: ids <= receiver.ended(), 10, "something is not sent again")


async def test_whoever_waits_is_answered_and_new_jobs_are_refused_while_it_drains(tmp_path, account, receiver, session):
    over = asyncio.Event()

    async def answer(_):
        await over.wait()
        return 204

    receiver.answer = answer
    config = config_of(tmp_path, account, receiver.section("endings"))
    async with serving(config) as relay:
        await deliver_slowly(relay, session, account, 1)
        await until(lambda: receiver.got, 10, "nothing was sent")
        stuck = (await account.start_jobs(session, 1, fate="stuck"))[0]["id"]
        await peers.submit(session, lambda: relay.url, {"id": stuck})
        waiting = asyncio.create_task(look(session, f"{relay.url}/v1/jobs/acme/{stuck}?wait=60"))
        await asyncio.sleep(0.5)
        relay.signal(signal.SIGTERM)
        assert await asyncio.wait_for(waiting, 2) == 200
        await relay.logged("service.draining")
        async with session.post(f"{relay.url}/v1/jobs", json={"id": "V3-late"}) as refused:
            assert refused.status == 503
            assert (await refused.json(content_type=None))["code"] == "draining"
        assert await look(session, f"{relay.url}/readyz") == 503
        assert await look(session, f"{relay.url}/livez") == 200
        over.set()
        assert await relay.ended() == 0
    assert list(relay.complaints()) == []


async def look(session: aiohttp.ClientSession, url: str, key: str | None = None) -> int:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with session.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("reached", ["SigBlk", "SigCgt"])
async def test_signals_while_it_starts_end_it_well(tmp_path, account, reached, number):
    """While it is being loaded signals wait, which the system tells (proc(5)); then they are listened to."""
    relay = await Relay.start(config_of(tmp_path, account))
    await until(lambda: signal.SIGTERM in signals(relay, reached), 20, "it does not start")
    relay.signal(number)
    assert await relay.ended() == 0
    assert list(relay.complaints()) == []


def signals(relay: Relay, mask: str) -> set[int]:
    """Those in this mask of the process."""
    status = Path(f"/proc/{relay.process.pid}/status").read_text()
    bits = int(status.partition(f"{mask}:")[2].split()[0], 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


async def test_a_second_process_on_the_same_ledger_is_a_configuration_error(tmp_path, account, session):
    config = config_of(tmp_path, account)
    async with serving(config) as first:
        second = await Relay.start(config)
        assert await second.ended() == 2
        assert str(tmp_path / "relay.db") in second.stderr
        assert str(first.process.pid) in second.stderr
        assert await look(session, f"{first.url}/readyz") == 200
        assert await drained(first, signal.SIGTERM) < DRAIN_SECONDS


async def test_a_broken_configuration_changes_nothing_and_new_keys_take_effect(tmp_path, account, session):
    config = config_of(tmp_path, account)
    async with serving(config) as relay:
        good = orjson.loads(config.read_bytes())
        config.write_text("accounts: [")
        relay.signal(signal.SIGHUP)
        await relay.logged("config.reload_failed")
        assert await reloaded(session, relay) == 0
        assert await look(session, f"{relay.url}/v1/jobs") == 200

        good["server"]["api_keys"] = [{"name": "orders", "key": KEY}]
        config.write_bytes(orjson.dumps(good))
        relay.signal(signal.SIGHUP)
        await relay.logged("config.reloaded")
        assert await reloaded(session, relay) == 1
        assert await look(session, f"{relay.url}/v1/jobs") == 401
        assert await look(session, f"{relay.url}/v1/jobs", KEY) == 200

        relay.signal(signal.SIGTERM)
        assert await relay.ended() == 0
    assert list(relay.complaints("config.reload_failed")) == []


async def reloaded(session: aiohttp.ClientSession, relay: Relay) -> float:
    ((_, value),) = (await peers.metrics(session, relay.url))["relay_config_last_reload_successful"]
    return value
