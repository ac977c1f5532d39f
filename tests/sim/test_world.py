"""A whole relay in virtual time: every job ends as Zendesk says, once, whatever goes wrong meanwhile."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from sim.virtual import run
from sim.world import World, data_of

from relay.core.events import CloudEvent
from relay.core.job import JobKey, TrackRequest, state_of
from relay.core.pacing import Rate
from relay.core.zendesk import Endpoint
from relay.shard.ports import Polling
from relay.simulator import SCENARIOS, combine

TERMINAL = {f"zendesk.job.{word}" for word in ("completed", "failed", "killed", "expired", "lost")}
OUTCOMES = {"all_failed": "failed"}


def assert_told_right(world: World, ids: Sequence[str]) -> None:
    """Each job's terminal event agrees with the truth, with one id however often it came, and ends its story."""
    truth = world.truth()
    for receiver in world.receivers.values():
        by_job = receiver.by_job()
        for job_id in ids:
            final = [event for event in by_job[job_id] if event.type in TERMINAL]
            assert len({event.id for event in final}) == 1, f"{job_id}: {[event.type for event in final]}"
            assert_agrees(truth[job_id], final[0])
            assert_in_order(by_job[job_id])


def assert_agrees(truth: dict[str, object], event: CloudEvent) -> None:
    data = data_of(event)
    assert data["job_status"]["status"] == truth["status"]
    assert data["outcome"] == truth["outcome"]
    if truth["failed"] is not None and truth["status"] == "completed":
        assert data["items"]["failed"] == truth["failed"]


def assert_in_order(events: Sequence[CloudEvent]) -> None:
    """A repeat may follow its original; nothing older comes after something newer."""
    sequences = [int(event.sequence) for event in events]
    assert sequences == sorted(sequences)
    assert all(a.data == b.data for a, b in pairwise(events) if a.id == b.id), "a repeat is the same bytes"


async def until_ended(world: World, ids: Sequence[str], hours: float = 2.0) -> None:
    """Wait until both receivers have heard the end of every job."""
    deadline = world.clock.monotonic() + hours * 3_600
    while world.clock.monotonic() < deadline:
        heard = [
            {event.subject for event in receiver.taken if event.type in TERMINAL}
            for receiver in world.receivers.values()
        ]
        if all(set(ids) <= subjects for subjects in heard):
            return
        await asyncio.sleep(1.0)
    missing = {job_id for subjects in heard for job_id in ids if job_id not in subjects}
    pytest.fail(f"{len(missing)} jobs never ended: {sorted(missing)[:5]}")


def ending(world: World, ids: Sequence[str]) -> list[str]:
    """Those that Zendesk does end."""
    truth = world.truth()
    return [job_id for job_id in ids if truth[job_id]["status"] is not None]


def lives_on(truth: dict[str, object]) -> bool:
    """Zendesk knows it until it has ended."""
    return truth["gone_at"] is None or truth["gone_at"] > truth["ended_at"]


@pytest.mark.parametrize("name", ["calm", "mixed", "flaky", "limited", "busy", "unauthorized"])
def test_every_job_ends_as_zendesk_says_in_every_circumstance(name: str) -> None:
    async def main() -> None:
        world = World(scenario=combine(SCENARIOS["mixed"], SCENARIOS[name]))
        async with world.relay() as shard:
            ids = world.start_jobs(150)
            await shard.track(world.requests(ids))
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))

    run(main())


@pytest.mark.parametrize("seed", range(12))
def test_crashes_outages_of_the_ledger_and_bad_receivers_lose_nothing(seed: int) -> None:
    """Kills at random moments, a disk that is full now and then, receivers that fail or whose answers get lost."""

    async def main() -> None:
        world = World(seed=seed, scenario=combine(SCENARIOS["mixed"], SCENARIOS["flaky"]))
        for receiver in world.receivers.values():
            receiver.failing = 0.3
        chance = Random(seed)
        world.ledger.outages = [(start, start + chance.uniform(0.1, 8)) for start in range(7, 300, 23)]
        ids: list[str] = []
        for _ in range(12):
            async with world.relay(crash=True) as shard:
                ids += await submit(world, shard, chance)
                await asyncio.sleep(chance.uniform(0, 10))
        async with world.relay():
            await until_ended(world, ending(world, ids), hours=30)
        assert_told_right(world, ending(world, ids))

    run(main())


async def submit(world: World, shard: object, chance: Random) -> list[str]:
    """Start jobs and hand them in as a client would: again, until it is told that they are recorded."""
    ids = world.start_jobs(chance.randint(1, 12))
    while True:
        try:
            await shard.track(world.requests(ids))
        except Exception:  # noqa: BLE001 - Unavailable, whatever its reason: come back
            await asyncio.sleep(0.5)
        else:
            return ids


def test_no_request_breaks_the_spacing_even_across_crashes() -> None:
    """Ours is the ceiling, kept by spacing: also a process that starts anew waits one gap."""

    async def main() -> None:
        world = World(scenario=SCENARIOS["mixed"], accounts=("acme", "other"))
        world.rate = Rate(max_requests_per_minute=30)
        for round_number in range(8):
            async with world.relay(crash=True) as shard:
                for account in world.accounts:
                    await shard.track(world.requests(world.start_jobs(5, account=account), account))
                await asyncio.sleep(1.0 + 3 * round_number)
        assert_spaced(world, 60 / 30)

    run(main())


def assert_spaced(world: World, gap: float) -> None:
    for account in world.accounts:
        moments = [record.at for record in world.simulator.requests if record.account == account]
        assert len(moments) > 10
        assert min(b - a for a, b in pairwise(moments)) >= gap - 1e-6


def test_a_retry_after_holds_for_the_whole_account_and_across_a_crash() -> None:
    async def main() -> None:
        world = World(scenario=combine(SCENARIOS["mixed"], SCENARIOS["limited"]))
        for _ in range(20):
            async with world.relay(crash=True) as shard:
                await shard.track(world.requests(world.start_jobs(3)))
                await asyncio.sleep(7)
        refused = [record.status for record in world.simulator.requests]
        assert refused.count(429) > 3
        # The model answers 429 to whoever comes back too early, so obedience shows as no two of them in a row
        # closer than a Retry-After of a second.
        for before, after in pairwise(world.simulator.requests):
            assert before.status != 429 or after.at - before.at >= 1.0

    run(main())


def test_one_request_serves_up_to_a_hundred_jobs() -> None:
    async def main() -> None:
        world = World(scenario=SCENARIOS["slow"])
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(250)))
            await asyncio.sleep(60)
        assert max(record.ids for record in world.simulator.requests) == 100
        assert sum(record.ids for record in world.simulator.requests) > 90 * len(world.simulator.requests)

    run(main())


def test_a_job_that_zendesk_never_knew_is_lost_after_the_grace_time_and_one_that_vanished_is_expired() -> None:
    async def main() -> None:
        world = World(scenario=SCENARIOS["slow"])
        world.polling = Polling(lost_after_seconds=60)
        async with world.relay() as shard:
            seen = world.start_jobs(1)[0]
            await shard.track(world.requests(["V3-never", seen]))
            await asyncio.sleep(20)
            world.vanish("acme", seen)
            await until_ended(world, ["V3-never", seen])
        final = {event.subject: event for event in world.receivers["final"].taken}
        assert final["V3-never"].type == "zendesk.job.lost"
        assert data_of(final["V3-never"])["reason"] == "never_found"
        assert data_of(final["V3-never"])["job_status"] is None
        assert final[seen].type == "zendesk.job.expired"
        assert data_of(final[seen])["reason"] == "no_longer_known"
        assert any(record.call == Endpoint.SHOW for record in world.simulator.requests), "confirmed one by one"

    run(main())


def test_a_fresh_job_that_zendesk_hides_for_a_while_is_not_lost() -> None:
    async def main() -> None:
        world = World(scenario=combine(SCENARIOS["mixed"], SCENARIOS["forgetful"]))
        async with world.relay() as shard:
            ids = world.start_jobs(60)
            await shard.track(world.requests(ids))
            kept = [job_id for job_id in ending(world, ids) if lives_on(world.truth()[job_id])]
            assert kept
            await until_ended(world, kept)
        assert_told_right(world, kept)

    run(main())


def test_a_job_that_never_ends_expires_after_a_day_and_costs_few_requests() -> None:
    async def main() -> None:
        world = World(scenario=SCENARIOS["mixed"])
        async with world.relay() as shard:
            stuck = world.start_jobs(1, fate="stuck")
            await shard.track(world.requests(stuck))
            await until_ended(world, stuck, hours=25)
        event = world.receivers["final"].taken[0]
        assert event.type == "zendesk.job.expired"
        assert data_of(event)["outcome"] == "unknown"
        assert 86_400 <= world.clock.monotonic() < 86_500
        assert 300 < len(world.simulator.requests) < 1_200

    run(main())


def test_thirty_jobs_cost_a_few_requests_each() -> None:
    async def main() -> None:
        world = World(scenario=SCENARIOS["calm"])
        async with world.relay() as shard:
            ids = world.start_jobs(30)
            await shard.track(world.requests(ids))
            await until_ended(world, ids)
        assert len(world.simulator.requests) < 3 * len(ids)

    run(main())


def test_jobs_of_an_account_that_is_not_configured_wait_and_go_on_when_it_returns() -> None:
    async def main() -> None:
        world = World(accounts=("acme",))
        async with world.relay(crash=True) as shard:
            ids = world.start_jobs(5)
            await shard.track(world.requests(ids))
        world.accounts = ()
        async with world.relay() as shard:
            await asyncio.sleep(600)
            assert [one.trouble for one in await shard.standing()] == ["account_not_configured"]
            assert world.receivers["final"].taken == []
        world.accounts = ("acme",)
        async with world.relay():
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))

    run(main())


def test_a_deleted_job_yields_no_further_event_and_can_be_tracked_afresh() -> None:
    async def main() -> None:
        world = World(scenario=SCENARIOS["slow"])
        async with world.relay() as shard:
            job_id = world.start_jobs(1, fate="succeeded", work_seconds=300.0)[0]
            key = JobKey("acme", job_id)
            assert await shard.track(world.requests([job_id])) == [True]
            await asyncio.sleep(30)
            assert await shard.untrack(key)
            assert not await shard.untrack(key)
            assert await shard.read(key) is None
            await asyncio.sleep(600)
            assert not [event for event in world.receivers["all"].taken if event.type in TERMINAL]
            assert await shard.track(world.requests([job_id])) == [True]
            await until_ended(world, [job_id])

    run(main())


def test_a_lost_job_submitted_again_has_new_event_ids() -> None:
    async def main() -> None:
        world = World()
        world.polling = Polling(lost_after_seconds=10)
        async with world.relay() as shard:
            for _ in range(2):
                assert await shard.track(world.requests(["V3-never"])) == [True]
                await asyncio.sleep(120)
        lost = world.receivers["final"].taken
        assert [event.type for event in lost] == ["zendesk.job.lost"] * 2
        assert lost[0].id != lost[1].id

    run(main())


def test_the_same_job_again_merges_metadata_and_present_keys_stay() -> None:
    async def main() -> None:
        world = World()
        async with world.relay() as shard:
            job_id = world.start_jobs(1, fate="succeeded", work_seconds=20.0)[0]
            for metadata in (b'{"a":1}', b'{"a":2,"b":3}'):
                await shard.track([TrackRequest(account="acme", id=job_id, metadata=metadata)])
            await until_ended(world, [job_id])
        assert data_of(world.receivers["final"].taken[-1])["metadata"] == {"a": 1, "b": 3}

    run(main())


def test_a_long_poll_answers_when_the_job_ends() -> None:
    async def main() -> None:
        world = World()
        async with world.relay() as shard:
            job_id = world.start_jobs(1, fate="succeeded", queue_seconds=1.0, work_seconds=10.0)[0]
            await shard.track(world.requests([job_id]))
            began = world.clock.monotonic()
            await shard.wait(JobKey("acme", job_id), 60)
            assert 9 < world.clock.monotonic() - began < 20
            view = await shard.read(JobKey("acme", job_id))
            assert view is not None
            assert view.job.state == "completed"
            await shard.wait(JobKey("acme", job_id), 60)
            assert world.clock.monotonic() - began < 20, "one that has ended is not waited for"

    run(main())


def test_while_the_ledger_cannot_be_written_nothing_is_polled_or_sent_and_it_is_said_once() -> None:
    async def main() -> None:
        world = World(scenario=SCENARIOS["slow"])
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(20)))
            await asyncio.sleep(60)
            start = world.clock.monotonic()
            world.ledger.outages = [(start, start + 600)]
            await asyncio.sleep(600)
            during = [record for record in world.simulator.requests if record.at > world.clock.now() - 500]
            assert during == []
            sent = [event for receiver in world.receivers.values() for event in receiver.taken]
            await asyncio.sleep(120)
            assert len([event for receiver in world.receivers.values() for event in receiver.taken]) > len(sent)
        assert world.log.logged.count("ledger.unavailable") == 1
        assert world.log.logged.count("ledger.recovered") == 1

    run(main())


def test_unknown_words_of_zendesk_count_as_running() -> None:
    """The table's promise, which the scheduler relies on."""
    assert state_of("reticulating").running
