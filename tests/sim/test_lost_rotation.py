"""The one loss that relay cannot make up for: Zendesk has rotated a refresh token, and its answer got lost."""

import asyncio

import pytest
from sim.test_oauth import ISSUED, SECRET, Signing, living
from sim.test_reconfigure import account, put
from sim.test_world import assert_told_right, ending, until_ended
from sim.virtual import run

from relay.errors import Reason
from relay.simulator import SCENARIOS, combine
from relay.simulator.routing import Call

LOSING = combine(ISSUED, SCENARIOS["lost-rotation"])
RENEWED_SECONDS = 1_500.0  # a token that lives for half an hour is renewed ahead


def losing():
    world = Signing(scenario=LOSING)
    world.authorize()
    return world


async def standing_still(world, shard):
    """Until the account is told to stand still; the ids of its jobs, which run for an hour."""
    ids = world.start_jobs(10, work_seconds=3_600.0)
    await shard.track(world.requests(ids))
    await asyncio.sleep(RENEWED_SECONDS)
    assert world.log.paused() == [Reason.UNAUTHORIZED]
    assert [one.trouble for one in await shard.standing()] == [Reason.UNAUTHORIZED]
    return ids


def test_it_pauses_the_account_says_what_to_do_and_goes_on_with_another_refresh_token_without_a_restart():
    async def main():
        world = losing()
        async with world.relay() as shard:
            ids = await standing_still(world, shard)
            assert world.record.refresh_token not in living(world), "what is durable is used up"
            assert world.log.of("account.paused")[0]["detail"].endswith("configure a new one")
            asked = len(world.simulator.requests)
            await asyncio.sleep(1_200)
            assert len(world.simulator.requests) - asked < 10, "asked ever more rarely"
            assert not {"zendesk.job.lost", "zendesk.job.expired"} & {
                event.type for event in world.receivers["final"].taken
            }
            world.authorize()
            await put(shard, account(world))
            await asyncio.sleep(10)
            assert [one.trouble for one in await shard.standing()] == [None]
            assert world.record.refresh_token in living(world)
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))
        assert [entry["was"] for entry in world.log.of("account.resumed")] == [Reason.UNAUTHORIZED]
        world.assert_nothing_given_away()

    run(main())


def test_until_then_the_token_in_use_is_tried_once_and_the_dead_one_is_never_taken_for_denied_credentials():
    """The lost answer is no trouble by itself, since the token was renewed ahead; the next look shows it is dead."""

    async def main():
        world = losing()
        async with world.relay() as shard:
            await standing_still(world, shard)
        (late,) = world.log.of("token.not_renewed")
        assert late["reason"] is Reason.UNREADABLE
        calls = [(request.call, request.status) for request in world.simulator.requests]
        lost = [index for index, call in enumerate(calls) if call[0] is Call.TOKEN][1]
        assert calls[lost + 1] == (Call.SHOW_MANY, 401)
        assert calls[lost + 2] == (Call.TOKEN, 400)
        assert Call.SHOW not in {call for call, _ in calls}, "nobody was taken for missing"

    run(main())


@pytest.mark.parametrize("configured", [False, True])
def test_a_restart_neither_helps_nor_harms(configured):
    """The ledger's pair is as dead as the configured one; a new one begins a new line, also at a start."""

    async def main():
        world = losing()
        async with world.relay(crash=True) as shard:
            ids = await standing_still(world, shard)
        if configured:
            world.authorize()
        async with world.relay() as shard:
            await asyncio.sleep(400)
            trouble = None if configured else Reason.UNAUTHORIZED
            assert [one.trouble for one in await shard.standing()] == [trouble]
            if not configured:
                world.authorize()
                await put(shard, account(world))
            await until_ended(world, ending(world, ids))
        assert_told_right(world, ending(world, ids))
        assert SECRET not in repr(world.log.entries)

    run(main())
