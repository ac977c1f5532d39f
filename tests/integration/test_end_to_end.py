"""500 jobs of three accounts through a real `relay serve`: the story first, then what must be true."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from integration import peers
from integration.peers import Receiver, Zendesk
from integration.processes import Relay, serving, until, write_config
from integration.promises import assert_in_order, assert_told_right

from relay.simulator.kinds import KINDS

JOBS = {"plain": 200, "forgetful": 150, "flaky": 150}
CIRCUMSTANCES = {"plain": ["fast"], "forgetful": ["fast", "forgetful"], "flaky": ["fast", "flaky"]}
FATES = ["succeeded", "succeeded", "partially_failed", "all_failed", "failed", "killed"]
POLLING = {
    "plain": {"expire_after_hours": 15 / 3_600},  # its stuck jobs are not waited for any longer
    "forgetful": {"lost_after_seconds": 8},  # its jobs are hidden for 5 s at the most
    "flaky": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What there is to see when all is over. `submitted`: (account, id) and the metadata that went with it."""

    submitted: Mapping[tuple[str, str], dict[str, Any]]
    zendesk: Sequence[Zendesk]
    everything: Receiver
    endings: Receiver
    truth: Mapping[str, dict[str, Any]]
    pages: Sequence[dict[str, Any]]
    details: Mapping[tuple[str, str], dict[str, Any]]
    metrics: Mapping[str, list[tuple[dict[str, str], float]]]
    relay: Relay
    exit_code: int

    def total(self, sample: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(value for given, value in self.metrics[sample] if labels.items() <= given.items())


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    return asyncio.run(tell(tmp_path_factory.mktemp("relay")))


async def tell(folder: Path) -> Story:
    async with AsyncExitStack() as stack:
        zendesk = [
            await stack.enter_async_context(peers.zendesk(name, *CIRCUMSTANCES[name], seed=seed))
            for seed, name in enumerate(JOBS)
        ]
        everything, endings = [await stack.enter_async_context(peers.receiver()) for _ in range(2)]
        everything.answer = answers_lost_now_and_then(Random(1))
        config = write_config(
            folder,
            accounts=[
                one.section(requests_per_minute=600, fresh_within_seconds=0.5, **POLLING[one.name]) for one in zendesk
            ],
            sinks=[everything.section("everything", events=["*"]), endings.section("endings", events=["terminal"])],
            events={"progress_min_interval_seconds": 0.1},
        )
        relay = await stack.enter_async_context(serving(config))
        session = await stack.enter_async_context(peers.client())
        groups = await asyncio.gather(*(submit_jobs(session, relay, one, JOBS[one.name]) for one in zendesk))
        submitted = {key: metadata for group in groups for key, metadata in group.items()}
        ids = {job_id for _, job_id in submitted}
        await until(lambda: ids <= everything.ended() and ids <= endings.ended(), 60, "jobs have not ended")
        await until_settled(session, relay)
        return Story(
            submitted=submitted,
            zendesk=zendesk,
            everything=everything,
            endings=endings,
            truth={job_id: job for one in zendesk for job_id, job in (await one.truth()).items()},
            pages=await peers.pages(session, relay.url, limit=99),
            details={key: await details(session, relay, *key) for key in submitted},
            metrics=await peers.metrics(session, relay.url),
            relay=relay,
            exit_code=await end(relay),
        )


def answers_lost_now_and_then(chance: Random):
    """A receiver that takes an event and fails before it can say so."""

    async def answer(_):
        return 503 if chance.random() < 0.1 else 204

    return answer


async def submit_jobs(session: aiohttp.ClientSession, relay: Relay, account: Zendesk, count: int):
    """Jobs of every kind, handed in while they already run, ten after ten; what was said of each."""
    said: dict[tuple[str, str], dict[str, Any]] = {}
    fates = [*FATES, "stuck"] if account.name == "plain" else FATES
    forms = (one_by_one, all_at_once, as_zendesk_replied)
    for kind, fate, form in islice(zip(cycle(KINDS), cycle(fates), cycle(forms), strict=False), count // 10):
        statuses = await account.start_jobs(session, 10, kind=kind, fate=fate, items=len(said) % 100 + 1)
        given = {status["id"]: {"order": len(said) + n} for n, status in enumerate(statuses)}
        bodies = form(account.name, statuses, given)
        answers = await asyncio.gather(*(peers.submit(session, lambda: relay.url, body) for body in bodies))
        told = list(chain(*answers))
        assert [job["id"] for job in told] == list(given)
        assert {(job["account"], job["result"]) for job in told} == {(account.name, "created")}
        said |= {(account.name, job_id): metadata for job_id, metadata in given.items()}
    return said


def one_by_one(account, statuses, metadata):
    return [{"id": each["id"], "account": account, "metadata": metadata[each["id"]]} for each in statuses]


def all_at_once(account, statuses, metadata):
    return [{"jobs": one_by_one(account, statuses, metadata)}]


def as_zendesk_replied(account, statuses, metadata):
    """The account is not named: it is the one whose address the status has."""
    return [{"job_status": each, "metadata": metadata[each["id"]]} for each in statuses]


async def until_settled(session: aiohttp.ClientSession, relay: Relay) -> None:
    """The last answers of receivers are recorded."""

    async def settled() -> bool:
        return not any(value for _, value in (await peers.metrics(session, relay.url))["relay_deliveries_pending"])

    await until(settled, 10, "deliveries are still pending", every_seconds=0.05)


async def details(session: aiohttp.ClientSession, relay: Relay, account: str, job_id: str) -> dict[str, Any]:
    async with session.get(f"{relay.url}/v1/jobs/{account}/{job_id}", params={"wait": 10}) as answer:
        assert answer.status == 200
        return await answer.json()


async def end(relay: Relay) -> int:
    relay.process.terminate()
    return await relay.ended()


def test_every_job_ends_once_at_every_sink_as_zendesk_says(story):
    ids = [job_id for _, job_id in story.submitted]
    assert len(ids) == sum(JOBS.values())
    for receiver in (story.everything, story.endings):
        assert_told_right(receiver, story.truth, ids)


def test_per_job_and_sink_events_come_in_order_and_repeats_are_the_same_bytes(story):
    for receiver in (story.everything, story.endings):
        assert_in_order(receiver)
    assert len(story.everything.got) > len(story.everything.taken), "there were repeats"


def test_a_sink_gets_the_events_that_it_wants(story):
    wanted = Counter(message.event["type"].rpartition(".")[2] for message in story.everything.taken)
    assert {"started", "progressed", "completed", "failed", "killed", "expired", "lost"} == set(wanted)
    assert all(message.terminal for message in story.endings.got)


def test_every_request_is_signed_by_the_standard(story):
    assert not story.everything.forged
    assert not story.endings.forged


def test_events_carry_what_the_submitter_said(story):
    for message in story.endings.taken:
        data = message.event["data"]
        assert data["metadata"] == story.submitted[data["account"], data["job_id"]]


def test_the_jobs_are_shown_as_they_ended(story):
    told = {message.job_id: message.event["data"] for message in story.endings.taken}
    for (account, job_id), shown in story.details.items():
        assert shown["terminal"]
        assert shown["next_poll_at"] is None
        assert shown["outcome"] == told[job_id]["outcome"]
        assert shown["items"] == told[job_id]["items"]
        assert shown["metadata"] == story.submitted[account, job_id]
        assert {each["sink"]: each["state"] for each in shown["deliveries"]} == {
            "everything": "delivered",
            "endings": "delivered",
        }


def test_the_pages_of_the_list_hold_every_job_once_and_newest_first(story):
    assert Counter((job["account"], job["id"]) for job in story.pages) == Counter(story.submitted.keys())
    tracked_at = [job["tracked_at"] for job in story.pages]
    assert tracked_at == sorted(tracked_at, reverse=True)


def test_the_metrics_tell_what_has_happened(story):
    assert story.total("relay_jobs_tracked") == 0
    assert story.total("relay_intake_jobs_total", source="http", result="created") == len(story.submitted)
    assert story.total("relay_events_total") == sum(job["sequence"] for job in story.pages)
    ended = Counter(message.event["type"] for message in story.endings.taken)
    for kind, count in ended.items():
        assert story.total("relay_events_total", type=kind) == count
    for name, receiver in (("everything", story.everything), ("endings", story.endings)):
        assert story.total("relay_deliveries_total", sink=name, outcome="delivered") == len(receiver.taken)
        assert story.total("relay_deliveries_total", sink=name) == len(receiver.got)
        assert story.total("relay_deliveries_dead", sink=name) == 0
    for account in story.zendesk:
        assert story.total("relay_zendesk_requests_total", account=account.name) == len(account.requests)
    assert story.total("relay_ledger_commits_total", outcome="failed") == 0


def test_one_request_asks_for_many_jobs_and_never_for_more_than_a_hundred(story):
    for account in story.zendesk:
        requests = [record for record in account.requests if record.call == "show_many"]
        looks = sum(record.ids for record in requests)
        assert len(requests) < looks / 5
        assert max(record.ids for record in requests) <= 100
        assert {record.call for record in account.requests} <= {"show_many", "show"}


def test_it_has_nothing_to_complain_of_and_ends_well(story):
    assert list(story.relay.complaints("account.paused")) == []
    assert story.exit_code == 0
