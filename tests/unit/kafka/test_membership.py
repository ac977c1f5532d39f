"""What a member makes of the group's answers, over a group that is played; a real one: tests/integration."""

import asyncio
import math
from types import SimpleNamespace

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    RequestTimedOutError,
    UnknownMemberIdError,
)
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import TopicPartition
from sim import virtual

from relay.errors import Reason
from relay.kafka.coordination import REBALANCE_SECONDS_MAX, Group, Member
from relay.kafka.failures import KafkaFailure, told
from relay.kafka.membership import Membership, NotAMember

HOUR = 3_600.0


class FakeGroup:
    """A group that gives everything to its one member, and what it answers to requests.

    `code`: of all answers. `failure`: of the client, once. `away`: nobody is there. `silent`: it assigns nothing.
    """

    def __init__(self):
        self.code = 0
        self.away = self.failure = None
        self.meanwhile = lambda: None
        self.silent = False
        self.lives = []
        self.requests = []

    async def start(self, connection, group, assignor, listener):
        if self.away is not None:
            raise self.away
        life = FakeCoordination(self, listener)
        self.lives.append(life)
        return life


class FakeCoordination:
    def __init__(self, group, listener):
        self._group = group
        self.listener = listener
        self.generation = 0
        self.ended = self.closed = False
        self.rejoins = 0
        if not group.silent:
            asyncio.get_running_loop().call_later(0.1, self.rebalance, {0, 1})

    def rebalance(self, partitions):
        if not self.closed:
            self.listener._revoked()
            self.generation += 1
            self.listener._assigned({TopicPartition("intake", number) for number in partitions})

    def joined(self, assigned):
        partitions = frozenset(each.partition for each in assigned)
        return Member(id=f"member-{len(self._group.lives)}", generation=self.generation, partitions=partitions)

    def rejoin(self, member):
        self.rejoins += 1

    def poll(self):
        failure, self._group.failure = self._group.failure, None
        if failure is not None:
            raise failure

    async def ask(self, request):
        self._group.requests.append(request)
        await asyncio.sleep(0.01)
        self._group.meanwhile()
        with told():
            if isinstance(self._group.code, Exception):
                raise self._group.code
        if isinstance(request, HeartbeatRequest):
            return SimpleNamespace(error_code=self._group.code)
        return SimpleNamespace(topics=[("intake", [(0, self._group.code)])])

    async def end(self):
        self.closed = True


class World:
    """A member of a group, and what it was told."""

    def __init__(self, monkeypatch):
        self.group = FakeGroup()
        self.lines, self.told = [], []
        monkeypatch.setattr("relay.kafka.membership.Coordination", self.group)

    def info(self, event, /, **fields):
        self.lines.append(event)

    warning = error = info

    def revoked(self):
        self.told.append("revoked")

    def assigned(self, member):
        self.told.append(sorted(member.partitions))

    async def __aenter__(self):
        clock = virtual.VirtualClock()
        self.membership = Membership(None, Group(name="relay", topic="intake"), monotonic=clock.monotonic, log=self)
        self.task = asyncio.create_task(self.membership.run(self))
        await asyncio.sleep(1)
        return self.membership

    async def __aexit__(self, *_):
        await self.membership.close()
        assert all(life.closed for life in self.group.lives)
        assert not self.membership.assigned
        assert self.membership.confirmed_at == -math.inf


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_what_is_assigned_is_told_and_confirmed_by_a_check(world):
    async def story():
        async with world as membership:
            assert (world.told, membership.assigned) == (["revoked", [0, 1]], {0, 1})
            assert membership.confirmed_at == -math.inf
            began = virtual.VirtualClock().monotonic()
            await membership.check()
            assert membership.confirmed_at == began
            await membership.check(1)
            with pytest.raises(NotAMember):
                await membership.check(0, 2)
        assert world.told == ["revoked", [0, 1], "revoked"]

    virtual.run(story())


@pytest.mark.parametrize("error", [UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError])
def test_a_group_that_goes_on_without_us_is_no_failure_of_kafka(world, error):
    async def story():
        async with world as membership:
            await membership.check()
            confirmed_at = membership.confirmed_at
            world.group.code = error.errno
            with pytest.raises(NotAMember):
                await membership.check()
            assert membership.confirmed_at == confirmed_at
            assert world.group.lives[0].rejoins == 1
        assert world.lines == []

    virtual.run(story())


def test_an_answer_that_comes_after_a_rebalance_confirms_nothing(world):
    async def story():
        async with world as membership:
            world.group.meanwhile = lambda: world.group.lives[0].rebalance({1})
            with pytest.raises(NotAMember):
                await membership.check()
            assert membership.confirmed_at == -math.inf

    virtual.run(story())


def test_who_has_nothing_assigned_is_no_member(world):
    async def story():
        async with world as membership:
            world.group.lives[0].listener._revoked()
            with pytest.raises(NotAMember):
                await membership.check()
            assert world.group.requests == []

    virtual.run(story())


@pytest.mark.parametrize("failure", [RequestTimedOutError(), TimeoutError()])
def test_a_check_without_an_answer_is_told_once_until_there_is_one(world, failure):
    async def story():
        async with world as membership:
            world.group.code = failure
            for _ in range(3):
                with pytest.raises(KafkaFailure) as raised:
                    await membership.check()
                assert raised.value.reason is Reason.TIMEOUT
            world.group.code = 0
            await membership.check()
        assert world.lines == ["kafka.unavailable", "kafka.available"]

    virtual.run(story())


def test_an_outage_of_hours_at_the_start_is_told_once_and_ends_by_itself(world):
    async def story():
        world.group.away = KafkaFailure(Reason.CONNECT, "Connection refused")
        async with world as membership:
            await asyncio.sleep(2 * HOUR)
            assert not membership.assigned
            world.group.away = None
            await asyncio.sleep(10)
            assert membership.assigned == {0, 1}
        assert world.lines == ["kafka.unavailable", "kafka.available"]

    virtual.run(story())


def test_a_client_that_can_go_on_no_more_is_replaced_and_nothing_is_ours_in_between(world):
    async def story():
        async with world as membership:
            await membership.check()
            world.group.lives[0].ended = True
            world.group.failure = KafkaFailure(Reason.UNAVAILABLE, "unexpected error during coordination")
            await asyncio.sleep(10)
            assert len(world.group.lives) == 2
            assert world.group.lives[0].closed
            assert world.told == ["revoked", [0, 1], "revoked", "revoked", [0, 1]]
            assert membership.confirmed_at == -math.inf

    virtual.run(story())


def test_a_group_that_assigns_nothing_is_joined_by_another_client_but_not_before_it_had_its_time(world):
    async def story():
        world.group.silent = True
        async with world as membership:
            await asyncio.sleep(REBALANCE_SECONDS_MAX)
            assert len(world.group.lives) == 1
            await asyncio.sleep(REBALANCE_SECONDS_MAX)
            assert len(world.group.lives) == 2
            assert world.group.lives[0].closed
            world.group.silent = False
            await asyncio.sleep(2 * REBALANCE_SECONDS_MAX)
            assert membership.assigned == {0, 1}
        assert world.lines == ["kafka.unavailable", "kafka.available"]

    virtual.run(story())


def test_what_the_group_refuses_is_told_and_the_client_goes_on(world):
    async def story():
        async with world:
            world.group.failure = KafkaFailure(Reason.FORBIDDEN, "group authorization failed")
            await asyncio.sleep(10)
        assert (len(world.group.lives), world.lines) == (1, ["kafka.unavailable"])

    virtual.run(story())


def test_a_bug_is_not_taken_for_a_failure_of_kafka(world):
    async def story():
        async with world:
            world.group.failure = AttributeError("a bug")
            await asyncio.sleep(2)
            assert isinstance(world.task.exception(), AttributeError)

    virtual.run(story())


def test_what_was_shown_is_not_shown_again_and_only_a_lasting_failure_is_told_and_once(world):
    async def story():
        async with world as membership:
            world.group.code = RequestTimedOutError()
            await membership.show({0: 1})
            assert world.lines == []
            world.group.code = GroupAuthorizationFailedError.errno
            for _ in range(2):
                await membership.show({0: 1})
            assert world.lines == ["intake.offsets_not_shown"]
            world.group.code = 0
            shown = len(world.group.requests)
            for _ in range(2):
                await membership.show({0: 1})
            assert len(world.group.requests) == shown + 1

    virtual.run(story())


def test_to_close_before_it_runs_or_twice_is_fine():
    async def story():
        membership = Membership(None, Group(name="relay", topic="intake"), monotonic=lambda: 0.0, log=None)
        await membership.close()
        await membership.close()

    virtual.run(story())
