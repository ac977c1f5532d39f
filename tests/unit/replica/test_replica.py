"""Many partitions: when they work, and when nothing may be done. The group, ledgers and shards are played."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from sim import virtual
from unit.replica.playing import AWAY, FENCE_SECONDS, LOST, NO_MEMBER, PARTITIONS, World, now, scenario

HOUR = 3_600.0
TAKEN = ["open", "load", "run"]


@scenario
async def test_what_is_assigned_is_worked_on_and_what_is_not_is_not(world):
    async with world.running():
        world.membership.assign(0, 2)
        await asyncio.sleep(3)
        assert (world.loaded, world.acting) == ({0, 2}, {0, 2})
        assert world.said[1] == []
        world.membership.assign(1, 2)
        await asyncio.sleep(3)
        assert world.acting == {1, 2}
        assert world.said[0] == [*TAKEN, "closed"]


@scenario
async def test_while_the_group_decides_all_is_kept_and_nothing_is_done(world):
    async with world.running():
        world.membership.assign(0, 1)
        await asyncio.sleep(3)
        world.membership.revoke()
        assert (world.loaded, world.acting) == ({0, 1}, set())
        world.membership.failure = NO_MEMBER
        await asyncio.sleep(60)
        assert (world.loaded, world.acting) == ({0, 1}, set())


@scenario
async def test_what_stays_ours_goes_on_as_it_was_once_the_group_has_confirmed_it(world):
    async with world.running():
        world.membership.assign(0, 1)
        await asyncio.sleep(3)
        world.membership.failure = AWAY
        world.membership.assign(0)
        await asyncio.sleep(3)
        assert (world.loaded, world.acting) == ({0}, set())
        world.membership.failure = None
        await asyncio.sleep(3)
        assert world.acting == {0}
        assert world.said[0] == TAKEN


@scenario
async def test_who_was_taken_for_gone_in_between_takes_all_over_anew(world):
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(3)
        world.membership.assign(0, member="me again")
        await asyncio.sleep(3)
        assert world.said[0] == [*TAKEN, "closed", *TAKEN]
        assert world.acting == {0}


@scenario
async def test_who_missed_a_generation_takes_all_over_anew(world):
    """Another one may have had it in that one, and recorded what is not known here: jobs, or that an account waits."""
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(3)
        world.membership.revoke()
        world.membership.generation += 1
        world.membership.assign(0)
        await asyncio.sleep(3)
        assert world.said[0] == [*TAKEN, "closed", *TAKEN]
        assert world.acting == {0}


@scenario
async def test_a_group_that_says_no_is_believed_at_once(world):
    async with world.running():
        world.membership.assign(0)
        await asyncio.sleep(3)
        world.membership.failure = NO_MEMBER
        await asyncio.sleep(2.1)
        assert world.acting == set()
        world.membership.failure = None
        await asyncio.sleep(2.1)
        assert world.acting == {0}


async def outage(world, begin, end):
    async with world.running():
        world.membership.assign(0, 1)
        await asyncio.sleep(5)
        confirmed_at = world.membership.confirmed_at
        begin()
        await asyncio.sleep(confirmed_at + FENCE_SECONDS - now() - 0.01)
        assert world.acting == {0, 1}
        await asyncio.sleep(0.02)
        assert world.acting == set()
        await asyncio.sleep(HOUR)
        assert (world.loaded, world.acting) == ({0, 1}, set())
        end()
        await asyncio.sleep(8)
        assert world.acting == {0, 1}
        assert [line for line in world.lines if line.startswith("replica.")] == ["replica.suspended", "replica.resumed"]
        assert world.said[0] == TAKEN


@scenario
async def test_a_group_that_cannot_be_asked_is_taken_at_its_word_for_a_while_and_then_nothing_is_done(world):
    def begin():
        world.membership.failure = AWAY

    def end():
        world.membership.failure = None

    await outage(world, begin, end)


@scenario
async def test_a_group_that_never_answers_holds_nobody_up(world):
    def begin():
        world.membership.mute = True

    def end():
        world.membership.mute = False

    await outage(world, begin, end)


@scenario
async def test_who_was_frozen_finds_out_before_it_does_anything(world):
    async with world.running() as replica:
        world.membership.assign(0)
        await asyncio.sleep(3)
        assert replica.may_act()
        world.frozen_seconds = 30.0
        assert not replica.may_act()
        assert world.acting == set()


@scenario
async def test_an_answer_that_lay_there_while_all_was_frozen_confirms_nothing(world):
    def freeze():
        world.membership.meanwhile = lambda: None
        world.frozen_seconds += 30.0

    async with world.running():
        world.membership.meanwhile = freeze
        world.membership.assign(0)
        await asyncio.sleep(1)
        assert (world.loaded, world.acting) == ({0}, set())
        await asyncio.sleep(2)
        assert world.acting == {0}
        world.membership.meanwhile = freeze
        await asyncio.sleep(4)
        assert world.acting == {0}


@scenario
async def test_before_anything_is_confirmed_nobody_may_act(world):
    async with world.running() as replica:
        assert not replica.may_act()
        world.membership.failure = AWAY
        world.membership.assign(0)
        await asyncio.sleep(60)
        assert not replica.may_act()
        assert "replica.suspended" not in world.lines


@scenario
async def test_the_group_is_left_when_all_is_closed(world):
    world.close_seconds = 0.5
    async with world.running() as replica:
        world.membership.assign(0, 1, 2)
        await asyncio.sleep(3)
        await replica.stop()
        assert all(said[-1] == "closed" for said in world.said.values())
        left = world.membership.left
        assert left == now()
        await replica.stop()
        assert world.membership.left == left


@scenario
async def test_to_stop_before_it_runs_is_fine(world):
    await world.replica.stop()


EVENTS = st.one_of(
    st.tuples(st.just("assign"), st.sets(st.integers(0, PARTITIONS - 1)), st.sampled_from(["me", "again"])),
    st.tuples(st.just("revoke")),
    st.tuples(st.just("lose"), st.integers(0, PARTITIONS - 1)),
    st.tuples(st.just("answers"), st.sampled_from([None, AWAY, NO_MEMBER])),
    st.tuples(st.just("opens"), st.sampled_from([0.1, 30.0]), st.sampled_from([None, LOST])),
)


def happen(world, event):
    """The partitions that are ours from now on; None: as before."""
    match event:
        case ("assign", partitions, member):
            world.membership.assign(*partitions, member=member)
            return partitions
        case ("revoke",):
            world.membership.revoke()
            return set()
        case ("lose", partition) if partition in world.replica.shards:
            world.replica.shards[partition].fail(LOST)
        case ("answers", failure):
            world.membership.failure = failure
        case ("opens", seconds, failure):
            world.open_seconds, world.open_failure = seconds, failure
    return None


@settings(max_examples=60)
@given(st.lists(st.tuples(EVENTS, st.floats(0.0, 20.0)), max_size=12), st.sets(st.integers(0, PARTITIONS - 1)))
def test_whatever_happens_only_what_is_ours_beyond_doubt_is_worked_on_and_in_the_end_all_of_it_is(story, final):
    async def play():
        world = World()
        async with world.running():
            ours = set()
            for event, seconds in story:
                changed = happen(world, event)
                ours = ours if changed is None else changed
                until = now() + seconds
                while now() < until:
                    await asyncio.sleep(0.25)
                    assert world.acting <= ours
                    assert not world.acting or now() - world.membership.confirmed_at < FENCE_SECONDS + 0.25
            world.open_seconds, world.open_failure, world.membership.failure = 0.1, None, None
            world.membership.assign(*final)
            await asyncio.sleep(60)
            assert world.acting == final

    virtual.run(play())
