"""One partition: in which order it is taken over, and how it ends."""

import asyncio

import pytest
from unit.replica.playing import AWAY, LOST, NO_MEMBER, now, scenario

from relay.errors import LedgerError, LedgerUnusable

TAKEN = ["open", "load", "run"]
HOUR = 3_600.0


@scenario
async def test_it_is_asked_for_before_it_is_taken_and_before_it_is_worked_on(world):
    async with world.running():
        world.membership.failure = NO_MEMBER
        world.membership.assign(0)
        await asyncio.sleep(5)
        assert world.said[0] == []
        world.membership.failure, world.open_seconds = None, 3.0
        await asyncio.sleep(2)
        assert world.said[0] == ["open"]
        world.membership.failure = NO_MEMBER
        await asyncio.sleep(5)
        assert world.said[0] == ["open", "load"]
        world.membership.failure = None
        await asyncio.sleep(3)
        assert world.said[0] == TAKEN
        assert world.acting == {0}


@scenario
async def test_what_was_configured_anew_until_the_moment_it_is_worked_on_has_it_loaded_again(world):
    """Also while the group is asked for the last time: what is loaded by then, nobody has told."""
    world.open_seconds = 3.0
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(2)
        world.membership.failure = NO_MEMBER
        await asyncio.sleep(5)
        assert world.said[0] == ["open", "load"]
        world.intake_failure = LedgerError("the configuration was changed while the partition was loaded")
        world.membership.failure = None
        await asyncio.sleep(2.2)
        world.intake_failure = None
        await asyncio.sleep(10)
        assert world.said[0] == ["open", "load", "closed", *TAKEN]


@scenario
async def test_a_restore_that_takes_an_hour_holds_nobody_up(world):
    world.open_seconds = HOUR
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(HOUR / 2)
        assert now() - world.membership.confirmed_at < 5
        await asyncio.sleep(HOUR)
        assert world.acting == {0}


@scenario
async def test_a_restore_goes_on_while_the_group_decides_anew(world):
    world.open_seconds = 60.0
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(30)
        world.membership.revoke()
        await asyncio.sleep(10)
        world.membership.assign(0, 1)
        await asyncio.sleep(30)
        assert world.said[0] == TAKEN
        assert world.acting == {0}


@scenario
async def test_what_is_lost_while_it_is_taken_over_is_given_up(world):
    world.open_seconds = HOUR
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(10)
        world.membership.assign()
        await asyncio.sleep(1)
        assert world.said[0] == ["open", "closed"]


@scenario
async def test_what_is_given_up_is_closed_before_it_is_opened_again_however_long_that_takes(world):
    world.close_seconds, world.end_seconds = 7.0, 3.0
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(3)
        for member in ("me", "somebody", "else"):
            world.membership.assign(member=member)
            world.membership.assign(0, member=member)
            await asyncio.sleep(1)
        await asyncio.sleep(20)
        assert world.said[0] == [*TAKEN, "ended", "closed", *TAKEN]
        assert world.acting == {0}


@scenario
async def test_what_is_given_up_while_it_is_opened_ends_in_peace(world):
    world.open_seconds, world.end_seconds = HOUR, 3.0
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(3)
        for member in ("somebody", "else"):
            world.membership.assign(0, member=member)
            await asyncio.sleep(1)
        await asyncio.sleep(5)
        assert world.said[0] == ["open", "ended", "closed", "open"]


@scenario
async def test_a_ledger_that_is_lost_is_opened_anew_for_a_new_shard(world):
    async with world.running() as replica:
        world.membership.assign(0, 1)
        await asyncio.sleep(3)
        lost, kept = replica.shards[0], replica.shards[1]
        lost.fail(LOST)
        await asyncio.sleep(3)
        assert world.said[0] == [*TAKEN, "closed", *TAKEN]
        assert replica.shards[0] is not lost
        assert replica.shards[1] is kept
        assert world.acting == {0, 1}
        assert world.lines.count("partition.lost") == 1


@scenario
async def test_a_ledger_that_cannot_be_opened_is_tried_now_and_then_and_told_once(world):
    world.open_failure = LedgerError("no answer in time")
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(HOUR)
        assert 600 < world.said[0].count("open") < 900
        assert world.lines.count("partition.lost") == 1
        world.open_failure = None
        await asyncio.sleep(10)
        assert world.acting == {0}
        assert world.lines.count("partition.taken") == 1


@scenario
async def test_kafka_that_is_away_while_it_is_taken_over_is_waited_for(world):
    world.open_failure = AWAY
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(10)
        world.open_failure = None
        await asyncio.sleep(10)
        assert world.acting == {0}


@pytest.mark.parametrize("bug", [AttributeError("a bug"), LedgerUnusable("a row of a newer relay")])
def test_what_is_a_bug_or_for_a_person_to_look_at_ends_all(bug):
    @scenario
    async def story(world):
        async with world.running() as replica:
            world.membership.assign(0, 1)
            await asyncio.sleep(3)
            replica.shards[0].fail(bug)
            await asyncio.wait([world.task])
            error = world.task.exception()
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            assert error is bug
            assert world.said[1][-1] == "closed"

    story()


@scenario
async def test_its_loops_are_told_apart_and_not_missed_once_it_is_gone(world):
    async with world.running():
        world.membership.assign(0, 2)
        await asyncio.sleep(3)
        mine = {"poller/0", "intake:kafka/0"}
        assert world.beating == {"replica", "poller/2", "intake:kafka/2"} | mine
        world.membership.assign(2)
        await asyncio.sleep(3)
        assert world.beating == {"replica", "poller/2", "intake:kafka/2"}


@scenario
async def test_to_stop_is_to_let_what_was_begun_end_and_then_to_close(world):
    async with world.running() as replica:
        world.membership.assign(0)
        await asyncio.sleep(3)
        await replica.stop()
        assert sorted(world.said[0][3:5]) == ["drain", "stop intake"]
        assert world.said[0][5:] == ["closed"]


@scenario
async def test_what_does_not_end_in_time_is_cut_short_so_that_others_need_not_wait(world):
    world.drain_seconds = HOUR
    async with world.running() as replica:
        world.membership.assign(0, 1, 2)
        await asyncio.sleep(3)
        began = now()
        await replica.stop()
        assert now() - began < 3
        assert all(said[-1] == "closed" for said in world.said.values())
