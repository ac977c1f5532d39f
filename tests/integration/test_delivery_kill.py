"""`kill -9` between the sending of an event and the record of how that went: the promises to receivers, and to whom
they are kept.

What a receiver may rely on, whatever is killed when: an event that is new to it has a greater sequence than all that
it has heard of the job before, and one that is not has the id and the bytes that it had.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from integration import peers
from integration.peers import SECRET, Message, Receiver, Zendesk
from integration.processes import Relay, serving, until, write_config
from integration.promises import assert_told_right, sequence

HOUSES, KILLS = 2, 25  # so many relays side by side, each with a ledger of its own, and so many kills of each
SKIPPED_MAX = 6  # requests between a start and the one that a kill waits for
HELD_BACK = 0.6  # so many of the kills come before the answer, the others right after it
AFTER_ANSWER_SECONDS_MAX = 0.02
NAMES = ("everything", "endings", "callback")


class Trap:
    """Springs on a request that comes, and holds back its answer or lets it go."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._skip = 0
        self._hold = False
        self._sprung: asyncio.Future[None] | None = None
        self._released = asyncio.Event()
        self.caught: list[tuple[Receiver, Message]] = []

    def set(self) -> asyncio.Future[None]:
        """Done when a request has come, and its answer is held back or on its way."""
        self._skip = self._chance.randint(0, SKIPPED_MAX)
        self._hold = self._chance.random() < HELD_BACK
        self._released = asyncio.Event()
        self._sprung = asyncio.get_running_loop().create_future()
        return self._sprung

    def release(self) -> None:
        """Who has waited for an answer is dead."""
        self._released.set()

    async def answer(self, receiver: Receiver, message: Message) -> int:
        if self._sprung is None or self._sprung.done():
            return 204
        self._skip -= 1
        if self._skip < 0:
            self._sprung.set_result(None)
            if self._hold:
                self.caught.append((receiver, message))
                await self._released.wait()
        return 204

    async def after_answer(self) -> None:
        if not self._hold:
            await asyncio.sleep(self._chance.uniform(0, AFTER_ANSWER_SECONDS_MAX))


@dataclass(kw_only=True)
class House:
    """One ledger and who hears of it. `url`: of the relay that lives there now."""

    config: Path
    zendesk: Zendesk
    receivers: Mapping[str, Receiver]
    trap: Trap
    chance: Random
    url: str = ""
    past: list[Relay] = field(default_factory=list)

    async def live_until_killed(self) -> None:
        relay = await Relay.start(self.config)
        self.past.append(relay)
        try:
            sprung = self.trap.set()
            await relay.ready()
            self.url = relay.url
            await until(sprung.done, 60, f"nothing is sent: {relay.log}")
            await self.trap.after_answer()
        finally:
            await relay.kill()
            self.trap.release()

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """A relay that is killed no more."""
        async with serving(self.config) as relay:
            self.past.append(relay)
            self.url = relay.url
            yield

    def heard(self, ids: Iterable[str]) -> bool:
        return all(receiver.ended().issuperset(ids) for receiver in self.receivers.values())


@asynccontextmanager
async def house(folder: Path, number: int) -> AsyncIterator[House]:
    chance = Random(number)
    trap = Trap(chance)
    async with AsyncExitStack() as stack:
        zendesk = await stack.enter_async_context(peers.zendesk("acme", "fast", seed=number))
        receivers = {name: await stack.enter_async_context(peers.receiver()) for name in NAMES}
        for receiver in receivers.values():
            receiver.answer = partial(trap.answer, receiver)
        allowed = {"host": "127.0.0.1", "allow_http": True, "allow_private": True, "secrets": [SECRET]}
        config = write_config(
            folder,
            accounts=[zendesk.section(requests_per_minute=1_200, fresh_within_seconds=0.05)],
            sinks=[
                receivers["everything"].section("everything", events=["*"]),
                receivers["endings"].section("endings"),
            ],
            callbacks={"allow": [allowed]},
            events={"progress_min_interval_seconds": 0.1},
        )
        yield House(config=config, zendesk=zendesk, receivers=receivers, trap=trap, chance=chance)


async def submit_jobs(house: House, over: asyncio.Event) -> list[str]:
    """A client with a callback, until it is over; the ids of what is acknowledged."""
    ids: list[str] = []
    url = house.receivers["callback"].url
    async with peers.client() as session:
        while not over.is_set():
            wish = {"fate": house.chance.choice(("succeeded", "failed")), "work_seconds": house.chance.uniform(0.3, 3)}
            statuses = await house.zendesk.start_jobs(session, 4, **wish)
            items = [{"job_status": one, "callback_url": f"{url}?job={one['id']}"} for one in statuses]
            ids += [job["id"] for job in await peers.submit(session, lambda: house.url, {"jobs": items})]
            await asyncio.sleep(0.4)
    return ids


async def play(house: House) -> tuple[list[str], Sequence[dict[str, Any]], Sequence[dict[str, Any]]]:
    """All kills. The jobs, and what the ledger holds at the end: events, and rows of jobs with their deliveries."""
    over = asyncio.Event()
    submitting = asyncio.create_task(submit_jobs(house, over))
    try:
        for _ in range(KILLS):
            await house.live_until_killed()
    finally:
        over.set()
    async with house.lasting(), peers.client() as session:
        ids = await submitting
        await until(lambda: house.heard(ids), 60, "jobs are lost")
        await settled(session, house.url)
        return ids, await kept_events(session, house.url), [await job(session, house.url, each) for each in ids]


async def settled(session: aiohttp.ClientSession, url: str) -> None:
    async def nothing_pending() -> bool:
        async with session.get(f"{url}/v1/sinks") as answer:
            return not any(one["pending"] for one in (await answer.json())["sinks"])

    await until(nothing_pending, 20, "deliveries are still pending", every_seconds=0.05)


async def kept_events(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    more, query = True, {"limit": "500"}
    while more:
        async with session.get(f"{url}/v1/events", params=query) as answer:
            page = await answer.json()
        events += page["events"]
        more, query = page["more"], {"cursor": page["cursor"]}
    return events


async def job(session: aiohttp.ClientSession, url: str, job_id: str) -> dict[str, Any]:
    async with session.get(f"{url}/v1/jobs/acme/{job_id}") as answer:
        return await answer.json()


def assert_new_is_greater_and_repeats_are_equal(receiver: Receiver) -> None:
    for messages in receiver.by_job().values():
        bodies: dict[str, bytes] = {}
        newest = 0
        for message in messages:
            if message.id not in bodies:
                assert sequence(message) > newest, [(one.id, sequence(one)) for one in messages]
                newest = sequence(message)
            assert bodies.setdefault(message.id, message.body) == message.body


def assert_one_id_for_one_event(receivers: Iterable[Receiver], events: Iterable[dict[str, Any]]) -> None:
    """For all receivers, all relays that lived, and whoever reads."""
    ids = defaultdict(set)
    for event in events:
        ids[event["subject"], event["sequence"]].add(event["id"])
    for receiver in receivers:
        for message in receiver.got:
            assert message.id == message.event["id"]
            ids[message.job_id, message.event["sequence"]].add(message.id)
    assert all(len(different) == 1 for different in ids.values())


@pytest.mark.timeout(600)
async def test_fifty_kills_between_send_and_settle_lose_nothing_and_disorder_nothing(tmp_path):
    async with AsyncExitStack() as stack:
        for number in range(HOUSES):
            (tmp_path / str(number)).mkdir()
        houses = [await stack.enter_async_context(house(tmp_path / str(n), n)) for n in range(HOUSES)]
        played = await asyncio.gather(*map(play, houses))
        truths = [await each.zendesk.truth() for each in houses]

    for each, (ids, events, jobs), truth in zip(houses, played, truths, strict=True):
        assert len(ids) >= KILLS
        terminal = [event["subject"] for event in events if event["data"]["outcome"] is not None]
        assert sorted(terminal) == sorted(ids), "a job has not exactly one end in the ledger"
        states = {delivery["state"] for one in jobs for delivery in one["deliveries"]}
        assert states == {"delivered"}
        for receiver in each.receivers.values():
            assert receiver.forged == []
            assert_told_right(receiver, truth, ids)
            assert_new_is_greater_and_repeats_are_equal(receiver)
        assert_one_id_for_one_event(each.receivers.values(), events)
        assert_sent_again(each)
        assert [complaint for relay in each.past for complaint in relay.complaints()] == []


def assert_sent_again(house: House) -> None:
    """Every event that relay was killed over; but a job's end may have taken the place of what came before it."""
    assert len(house.trap.caught) > KILLS * HELD_BACK / 2
    for receiver, message in house.trap.caught:
        came = [other.id for other in receiver.by_job()[message.job_id]]
        assert came.count(message.id) > 1 or not message.terminal
