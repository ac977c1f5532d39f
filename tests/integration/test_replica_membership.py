"""Members of a consumer group at a real broker: who is given what, who is told when, and what a check says."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from integration.processes import until

from relay.kafka.connection import Connection, quiet_library
from relay.kafka.coordination import Group
from relay.kafka.former import MemberFile
from relay.kafka.membership import Membership, NotAMember

PARTITIONS = 6
SESSION_SECONDS = 6.0  # brokers allow no less
LONG_SESSION_SECONDS = 40.0  # what happens much sooner has not waited for it


class Lines(list):
    def info(self, event, /, **fields):
        self.append((event, fields))

    warning = error = info


class One:
    """A member with all that it is told."""

    def __init__(self, connection, group, file, lines):
        self.membership = Membership(connection, group, file=file, monotonic=time.monotonic, log=lines)
        self.members = []
        self.told = []

    def revoked(self):
        self.told.append("revoked")

    def assigned(self, member):
        self.told.append("assigned")
        self.members.append(member)

    @property
    def has(self):
        return self.membership.assigned

    @property
    def coordinator(self):
        return self.membership._coordination._coordinator

    def start(self):
        self.task = asyncio.create_task(self.membership.run(self))

    async def die(self):
        """As by kill -9: it does not say goodbye."""
        self.coordinator._closing.set_result(None)
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.fixture
def lines():
    quiet_library()
    return Lines()


@pytest.fixture
def session_seconds():
    return SESSION_SECONDS


@pytest.fixture
async def join(kafka, topics, lines, session_seconds):
    """Makes members of one group, as many as are asked for."""
    topic = await topics.create("intake", partitions=PARTITIONS)
    group = Group(name=topic, topic=topic, session_seconds=session_seconds)
    async with AsyncExitStack() as stack:

        def make(file=None):
            one = One(Connection(bootstrap_servers=(kafka,)), group, file, lines)
            one.start()
            stack.push_async_callback(one.membership.close)
            return one

        yield make
    assert len(asyncio.all_tasks()) == 1


def shared(*ones):
    """Each partition has exactly one of them, and none has too many."""
    parts = [one.has for one in ones]
    sizes = [len(part) for part in parts]
    return sum(sizes) == PARTITIONS == len(frozenset().union(*parts)) and max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("session_seconds", [LONG_SESSION_SECONDS])
async def test_partitions_are_shared_and_move_as_little_as_can_be_and_at_once_when_one_leaves(join):
    first = join()
    await until(lambda: shared(first))
    second = join()
    await until(lambda: shared(first, second))
    before = first.has, second.has
    third = join()
    await until(lambda: shared(first, second, third))
    assert first.has < before[0]
    assert second.has < before[1]
    before = first.has, second.has
    began = time.monotonic()
    await third.membership.close()
    await until(lambda: shared(first, second))
    assert time.monotonic() - began < LONG_SESSION_SECONDS / 2
    assert first.has > before[0]
    assert second.has > before[1]
    assert {len({member.id for member in one.members}) for one in (first, second)} == {1}
    assert all(one.told[::2] == ["revoked"] * len(one.members) for one in (first, second))


async def test_who_dies_or_says_nothing_loses_all_when_its_session_is_over_and_those_who_check_keep_theirs(join):
    first, dead, mute = join(), join(), join()
    await until(lambda: shared(first, dead, mute))
    await asyncio.gather(first.membership.check(), mute.membership.check())
    await dead.die()
    mute.coordinator._heartbeat_task.cancel()
    await until(lambda: len(first.has) == PARTITIONS)
    await first.membership.check()
    with pytest.raises(NotAMember):
        await mute.membership.check()
    await until(lambda: shared(first, mute))
    await asyncio.gather(first.membership.check(), mute.membership.check())
    assert len({member.id for member in first.members}) == 1
    assert len({member.id for member in mute.members}) == 2


async def test_what_a_member_shows_is_what_tools_see_and_nobody_else_can_show_it(join, topics):
    one = join()
    await until(lambda: shared(one))
    await one.membership.show({0: 7, 1: 8})
    await one.membership.show({1: 9})
    stale = one.membership._member
    other = join()
    await until(lambda: shared(one, other))
    one.membership._member = stale
    await one.membership.show({0: 99})
    group = one.membership._group
    assert await topics.committed(group.name) == {(group.topic, 0): 7, (group.topic, 1): 9}


@pytest.mark.parametrize("session_seconds", [LONG_SESSION_SECONDS])
async def test_who_was_killed_and_is_started_again_holds_nobody_up(join, tmp_path):
    file = MemberFile(tmp_path / "member")
    other, killed = join(), join(file)
    await until(lambda: shared(other, killed))
    member = killed.members[-1]

    async def remembered():
        return await file.recall() == member.id

    await until(remembered)
    await killed.die()
    began = time.monotonic()
    again = join(file)
    await until(lambda: shared(other, again))
    assert time.monotonic() - began < LONG_SESSION_SECONDS / 2
