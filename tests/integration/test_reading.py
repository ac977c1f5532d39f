"""Reading the events of a real relay: connections that break anywhere, `kill -9`, and what was missed meanwhile."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

import aiohttp
import pytest
from integration import peers
from integration.listening import Told, listening
from integration.processes import Relay, serving, until, write_config

from relay.intake.opaque import read_place

FATES = ("succeeded", "partially_failed", "failed", "killed")
KILLS = 6


class House:
    """Where a relay lives and comes back to after it was killed."""

    def __init__(self, config):
        self._config = config
        self.relay = None

    @property
    def url(self):
        return self.relay.url

    @asynccontextmanager
    async def living(self):
        await self.begin()
        try:
            yield self
        finally:
            await self.relay.kill()

    async def begin(self):
        self.relay = await Relay.start(self._config)
        await self.relay.ready()

    async def killed(self):
        await self.relay.kill()
        await self.begin()


@asynccontextmanager
async def house(tmp_path, **sections):
    async with peers.zendesk("acme", "fast") as zendesk:
        account = zendesk.section(requests_per_minute=600, fresh_within_seconds=0.05)
        events = {"progress_min_interval_seconds": 0.1}
        config = write_config(tmp_path, accounts=[account], events=events, **sections)
        async with House(config).living() as at:
            yield at, zendesk


async def submit(session, at, zendesk, chance, count):
    """Jobs that end within seconds; their ids."""
    ids = []
    while len(ids) < count:
        wish = {"fate": chance.choice(FATES), "work_seconds": chance.uniform(0.1, 1.5)}
        statuses = await zendesk.start_jobs(session, 5, **wish)
        told = await peers.submit(session, lambda: at.url, {"jobs": [{"job_status": each} for each in statuses]})
        ids += [job["id"] for job in told]
        await asyncio.sleep(0.05)
    return ids


class Reader:
    """Reads live, and whenever the connection is gone comes back with the last id. `heard`: all that it was told."""

    def __init__(self, session, at):
        self._session, self._at = session, at
        self.heard: list[Told] = []
        self.opened = 0
        self._last = {}

    async def read(self, breaks=lambda: False):
        """`breaks`: whether to hang up after an event."""
        while True:
            try:
                async with listening(self._session, self._at.url, headers=self._last) as listener:
                    self.opened += 1
                    self._last = {"Last-Event-ID": listener.last_id}
                    async for told in listener.events():
                        self.heard.append(told)
                        self._last = {"Last-Event-ID": told.id}
                        if breaks():
                            break
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.02)

    def ended(self):
        return {told.job_id for told in self.heard if told.event["data"]["outcome"] is not None}


async def kept(session, url, **query):
    """All events, page by page."""
    events, more = [], True
    while more:
        async with session.get(f"{url}/v1/events", params=query) as answer:
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        events += page["events"]
        more, query = page["more"], {**query, "cursor": page["cursor"]}
    return events


def assert_heard_once_and_in_order(heard):
    positions = [read_place(told.id) for told in heard]
    assert all(before < after for before, after in pairwise(positions))
    events = [told.event for told in heard]
    assert len({event["id"] for event in events}) == len(events)
    by_job = defaultdict(list)
    for event in events:
        by_job[event["subject"]].append(event["sequence"])
    assert all(sequences == sorted(sequences) for sequences in by_job.values())


@asynccontextmanager
async def in_the_background(*jobs):
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("seed", range(3))
async def test_a_reader_who_hangs_up_anywhere_hears_everything_exactly_once(tmp_path, seed):
    chance = Random(seed)
    async with house(tmp_path) as (at, zendesk), peers.client() as session:
        faithful, fickle = Reader(session, at), Reader(session, at)
        async with in_the_background(faithful.read(), fickle.read(lambda: chance.random() < 0.3)):
            await until(lambda: faithful.opened and fickle.opened, 5, "nobody listens")
            ids = set(await submit(session, at, zendesk, chance, 60))
            await until(lambda: ids <= faithful.ended() and ids <= fickle.ended(), 30, "events are missed")
        assert fickle.opened > 10
        assert faithful.opened == 1
        for reader in (faithful, fickle):
            assert_heard_once_and_in_order(reader.heard)
        assert fickle.heard[: len(faithful.heard)] == faithful.heard[: len(fickle.heard)]
        by_id = {told.event["id"]: told.event for told in faithful.heard}
        in_pages = await kept(session, at.url, limit=7)
        assert [event for event in by_id.values() if event in in_pages] == in_pages


@pytest.mark.timeout(240)
async def test_a_reader_comes_through_kills_without_a_gap_or_a_repeat(tmp_path):
    chance = Random(4)
    async with house(tmp_path) as (at, zendesk), peers.client() as session:
        reader = Reader(session, at)
        async with in_the_background(reader.read()):
            await until(lambda: reader.opened, 5, "nobody listens")
            ids = set()
            for _ in range(KILLS):
                ids |= set(await submit(session, at, zendesk, chance, 20))
                await asyncio.sleep(chance.uniform(0, 0.5))
                await at.killed()
            await until(lambda: ids <= reader.ended(), 60, "events are missed")
        assert reader.opened > KILLS
        assert_heard_once_and_in_order(reader.heard)
        heard = {told.event["id"] for told in reader.heard}
        assert {event["id"] for event in await kept(session, at.url)} <= heard


async def test_after_an_outage_of_the_reader_the_pages_tell_what_it_missed(tmp_path):
    """With the cursor of the last page, or with a time, as one who was not there comes to know everything."""
    chance = Random(5)
    async with house(tmp_path) as (at, zendesk), peers.client() as session:
        before = set(await submit(session, at, zendesk, chance, 10))
        await terminal(session, at.url, before)
        async with session.get(f"{at.url}/v1/events") as answer:
            cursor = (await answer.json())["cursor"]
        missed = set(await submit(session, at, zendesk, chance, 10))
        await terminal(session, at.url, missed)
        await at.killed()
        since_then = await kept(session, at.url, cursor=cursor, type="terminal")
        assert {event["subject"] for event in since_then} == missed
        earliest = min(event["time"] for event in since_then)
        assert await kept(session, at.url, since=earliest, type="terminal") == since_then


async def terminal(session, url, ids):
    for job_id in ids:
        async with session.get(f"{url}/v1/jobs/acme/{job_id}", params={"wait": 30}) as answer:
            assert (await answer.json())["terminal"]


async def test_a_webhook_and_a_reader_get_the_same_bytes(tmp_path):
    async with peers.receiver() as receiver, peers.client() as session:
        sinks = [receiver.section("everything", events=["*"])]
        async with house(tmp_path, sinks=sinks) as (at, zendesk):
            async with listening(session, at.url) as listener:
                ids = set(await submit(session, at, zendesk, Random(6), 10))
                told = []
                while {one.job_id for one in told if one.event["data"]["outcome"]} < ids:
                    told += await listener.take(1)
            await until(lambda: ids <= receiver.ended(), 10, "not all is delivered")
            bodies = {message.id: message.body for message in receiver.got}
            common = [one for one in told if one.event["id"] in bodies]
            assert {one.job_id for one in common} == ids
            assert all(bodies[one.event["id"]] == one.data for one in common)


async def test_a_drain_ends_the_stream_at_once_and_the_process_in_time(tmp_path):
    async with peers.zendesk("acme", "fast") as zendesk, peers.client() as session:
        config = write_config(tmp_path, accounts=[zendesk.section(requests_per_minute=600)])
        async with serving(config) as relay, listening(session, relay.url) as listener:
            relay.process.terminate()
            assert await listener.ended(seconds=5) == []
            assert listener.comments == ["relay is shutting down; come back"]
            assert await relay.ended(seconds=10) == 0
            assert not list(relay.complaints())
