"""Everything that Zendesk is known to do, alone and in mixtures: relay tells the truth once, at the price of time only.

A failure names the scenarios, or the seed of the mixture. `play` runs one by hand:
`PYTHONPATH=tests python -c "from sim.test_mixtures import mixture, play; play(mixture(7), seed=7)"`.
"""

import asyncio
from collections.abc import Sequence
from random import Random

import pytest
from sim.judging import (
    TERMINAL,
    assert_reserve_is_left,
    assert_spaced,
    assert_told_once_and_right,
    assert_waits_are_kept,
)
from sim.test_reconfigure import account, put
from sim.virtual import run
from sim.world import World

from relay.core.tokens import ClientCredentials, Grant, RefreshToken, decode_record
from relay.errors import Reason
from relay.shard import Shard
from relay.shard.ports import Polling
from relay.shard.renewal import TOKEN_MARK
from relay.simulator import SCENARIOS, combine

HOURS = 3_600.0
JOBS = 8
TASKS_MAX = 100  # two sinks with 32 deliveries each in hand, requests underway, and the loops
QUIET_SECONDS = 120.0
REFUSING = ("poison", "poison-500", "poison-403", "unspeakable", "unknown-404", "small-batches-mute", "short-urls")


def mixture(seed: int) -> list[str]:
    """Two to six scenarios."""
    random = Random(f"mixture {seed}")
    return random.sample(sorted(SCENARIOS), random.randint(2, 6))


def play(names: Sequence[str], *, seed: int, most: int = JOBS) -> World:
    """Watch jobs to their end in these circumstances, with or without a crash on the way, and judge all of it.

    `most`: jobs started at a time, of two or four times.
    """
    return run(_play(names, seed, most))


async def _play(names: Sequence[str], seed: int, most: int) -> World:
    random = Random(f"play {seed}")
    world = World(seed=seed, scenario=combine(*(SCENARIOS[name] for name in names)))
    shut_for_hours = "retry-huge" in names
    world.polling = Polling(
        lost_after_seconds=300.0 if "flickering" in names else 45.0,  # shorter than any outage of the scenarios
        expire_after_seconds=_hours(names) * HOURS,
    )
    grant = _grant(world, random, must="issued-tokens" in names)
    world.grants = {} if grant is None else {"acme": grant}
    ids: list[str] = []
    if random.random() < 0.4 and not isinstance(grant, RefreshToken):  # whose reply must not be lost
        async with world.relay(crash=True) as shard:
            ids += await _submit(world, shard, random, most)
            await asyncio.sleep(random.uniform(0, 30))
    async with world.relay() as shard:
        person = asyncio.create_task(_authorize_anew(world, shard))
        ids += await _submit(world, shard, random, most)
        await _until_told(world, ids)
        await _assert_nothing_is_left(world, shard)
        person.cancel()
    assert_told_once_and_right(world, ids, shut_for_hours=shut_for_hours)
    assert_spaced(world.exchanges, world.rate)
    assert_waits_are_kept(world.exchanges)
    assert_reserve_is_left(world.exchanges, world.rate)
    return world


def _hours(names: Sequence[str]) -> float:
    """After which jobs expire: a fraction of a day, to spare this machine, but longer than whatever goes on there."""
    if "retry-huge" in names:
        return 8.0
    if set(REFUSING) & set(names):
        return 2.0  # one that is set apart is asked about once in five minutes, which may fail a few times in a row
    return 1.5 if "short-memory" in names else 0.75


def _grant(world: World, random: Random, *, must: bool) -> Grant | None:
    kind = random.choice((ClientCredentials, RefreshToken) if must else (None, ClientCredentials, RefreshToken))
    if kind is not RefreshToken:
        return None if kind is None else ClientCredentials(client_id="relay", client_secret="s")
    return _authorized(world)


def _authorized(world: World) -> RefreshToken:
    """What is configured after a person has let the client in."""
    pair = world.simulator.grants("acme").first_pair(world.clock.now(), world.simulator.scenario.oauth)
    return RefreshToken(client_id="relay", client_secret="s", refresh_token=str(pair["refresh_token"]))


async def _authorize_anew(world: World, shard: Shard) -> None:
    """A person looks in every minute, and where the line of refresh tokens has come to its end, begins another."""
    while isinstance(world.grants.get("acme"), RefreshToken):
        await asyncio.sleep(60.0)
        line = (await world.ledger.marks()).get(f"{TOKEN_MARK}acme")
        (standing,) = await shard.standing()
        if line is None or standing.trouble is not Reason.UNAUTHORIZED:
            continue
        if world.simulator.grants("acme")._refresh.get(decode_record(line).refresh_token) is None:
            world.grants["acme"] = _authorized(world)
            await put(shard, account(world))


async def _submit(world: World, shard: Shard, random: Random, most: int) -> list[str]:
    """Some jobs now, some a little later."""
    ids: list[str] = []
    for _ in range(2):
        fresh = world.start_jobs(random.randint(1, most))
        await shard.track(world.requests(fresh))
        ids += fresh
        await asyncio.sleep(random.uniform(0, 20))
    return ids


async def _until_told(world: World, ids: Sequence[str]) -> None:
    """Until both receivers have heard the end of every job; meanwhile the number of tasks stays small."""
    deadline = world.clock.monotonic() + world.polling.expire_after_seconds + HOURS
    open_ids = {name: set(ids) for name in world.receivers}
    heard = dict.fromkeys(world.receivers, 0)
    while any(open_ids.values()):
        assert world.clock.monotonic() < deadline, f"never ended: {sorted(set().union(*open_ids.values()))}"
        assert len(asyncio.all_tasks()) <= TASKS_MAX
        await asyncio.sleep(1.0)
        for name, receiver in world.receivers.items():
            fresh, heard[name] = receiver.taken[heard[name] :], len(receiver.taken)
            open_ids[name] -= {event.subject for event in fresh if event.type in TERMINAL}


async def _assert_nothing_is_left(world: World, shard: Shard) -> None:
    """When all is told, nobody is in memory, and Zendesk is left in peace."""
    await asyncio.sleep(31.0)  # a reply may still be on its way
    before = len(world.exchanges)
    await asyncio.sleep(QUIET_SECONDS)
    assert len(world.exchanges) == before, world.exchanges[-1]
    assert shard.live.size("acme") == 0
    assert shard.poller.posts["acme"].roster.oldest() is None


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_alone(name: str) -> None:
    play([name], seed=1)


@pytest.mark.parametrize("seed", range(200))
def test_a_mixture_of_scenarios(seed: int) -> None:
    play(mixture(seed), seed=seed)


def test_a_seed_reproduces_a_run() -> None:
    """Request by request and event by event, so that a failure can be looked into."""
    for seed in (3, 4, 5):
        first, second = play(mixture(seed), seed=seed), play(mixture(seed), seed=seed)
        assert first.exchanges == second.exchanges
        assert first.receivers["all"].taken == second.receivers["all"].taken


@pytest.mark.parametrize("seed", range(12))
def test_a_mixture_of_scenarios_with_more_jobs_than_one_request_holds(seed: int) -> None:
    play(mixture(seed), seed=seed, most=150)


@pytest.mark.parametrize(
    ("names", "seed"),
    [
        (["repeating", "stuck", "bare-ids", "forbidden-scope", "fast"], 25),
        (["last-hundred", "slow", "forgetful", "old-dates", "demo", "delayed"], 98),
    ],
)
def test_a_request_that_is_allowed_before_it_is_due_is_waited_for(names: Sequence[str], seed: int) -> None:
    """Mixtures that made the poll loop spin."""
    play(names, seed=seed, most=150)


@pytest.mark.parametrize("seed", range(14))
def test_whatever_refuses_requests_in_any_circumstances(seed: int) -> None:
    """Two reasons to refuse a request, and one or two scenarios of another kind."""
    random = Random(f"refusing {seed}")
    names = [*random.sample(REFUSING, 2), *random.sample(sorted(SCENARIOS.keys() - REFUSING), random.randint(1, 2))]
    play(names, seed=seed, most=30)
