"""A replica whose group, ledgers, shards and intakes are played, in virtual time."""

import asyncio
import math
from collections import Counter
from contextlib import asynccontextmanager

from sim import virtual

from relay.errors import LedgerLost, Reason
from relay.kafka.coordination import Member
from relay.kafka.failures import KafkaFailure
from relay.kafka.membership import NotAMember
from relay.replica.ports import Surroundings
from relay.replica.replica import Replica

AWAY = KafkaFailure(Reason.CONNECT, "Connection refused")
NO_MEMBER = NotAMember(Reason.UNAVAILABLE, "the group has gone on")
LOST = LedgerLost("another owner has taken it")
PARTITIONS = 3
SESSION_SECONDS = 21.0
FENCE_SECONDS = 0.7 * SESSION_SECONDS


def now():
    return asyncio.get_running_loop().time()


class PlayedMembership:
    """`failure`: what each check raises. `mute`: there is no answer. `meanwhile`: happens before there is one.

    `left`: when it was closed.
    """

    session_seconds = SESSION_SECONDS

    def __init__(self, monotonic):
        self._monotonic = monotonic
        self.meanwhile = lambda: None
        self.confirmed_at = -math.inf
        self.failure = self.left = None
        self.mute = False
        self.generation = 0
        self._deciding = True
        self._closing = asyncio.Event()

    async def run(self, changes):
        self._changes = changes
        await self._closing.wait()

    async def close(self):
        self.left = self.left or now()
        self._closing.set()

    async def check(self, *partitions):
        began, generation = self._monotonic(), self.generation
        await asyncio.sleep(0.001)
        self.meanwhile()
        if self.mute:
            await asyncio.sleep(5)
            raise KafkaFailure(Reason.TIMEOUT, "no answer in time")
        if self.failure is not None:
            raise self.failure
        if generation != self.generation or self._deciding or not self._partitions.issuperset(partitions):
            raise NO_MEMBER
        self.confirmed_at = began

    def revoke(self):
        self.generation += 1
        self._deciding = True
        self.confirmed_at = -math.inf
        self._changes.revoked()

    def assign(self, *partitions, member="me"):
        if not self._deciding:
            self.revoke()
        self._deciding, self._partitions = False, set(partitions)
        self._changes.assigned(Member(id=member, generation=self.generation, partitions=frozenset(partitions)))


class PlayedLedger:
    def __init__(self, world, partition):
        self._world, self._partition = world, partition

    async def open(self):
        self._world.say(self._partition, "open")
        self._world.opened[self._partition] += 1
        assert self._world.opened[self._partition] == 1, "two have the image at a time"
        try:
            await asyncio.sleep(self._world.open_seconds)
        except asyncio.CancelledError:
            await self._world.end(self._partition)
            raise
        if self._world.open_failure is not None:
            raise self._world.open_failure

    async def close(self):
        await asyncio.sleep(self._world.close_seconds)
        self._world.say(self._partition, "closed")
        self._world.opened[self._partition] = 0

    async def marks(self):
        return {"intake/jobs/0": b"7"}


class PlayedShard:
    def __init__(self, world, partition, beat):
        self._world, self._partition, self._beat = world, partition, beat
        self._ended = asyncio.get_running_loop().create_future()
        self.suspended = self.running = False

    @property
    def acting(self):
        return self.running and not self.suspended

    async def load(self):
        self._world.say(self._partition, "load")
        return 5

    async def run(self):
        self._world.say(self._partition, "run")
        self._beat("poller")
        self.running = True
        try:
            await self._ended
        finally:
            self.running = False
            await self._world.end(self._partition)

    async def drain(self):
        self._world.say(self._partition, "drain")
        await asyncio.sleep(self._world.drain_seconds)
        if not self._ended.done():
            self._ended.set_result(None)

    def fail(self, error):
        if not self._ended.done():
            self._ended.set_exception(error)

    def suspend(self):
        self.suspended = True

    def resume(self):
        elapsed = self._world.monotonic() - self._world.membership.confirmed_at
        assert elapsed < 0.7 * self._world.membership.session_seconds, "this is not ours any more"
        self.suspended = False


class PlayedIntake:
    def __init__(self, world, partition, beat):
        self._world, self._partition, self._beat = world, partition, beat
        self._stopping = asyncio.Event()

    async def run(self):
        self._beat("intake:kafka")
        await self._stopping.wait()

    async def stop(self):
        self._world.say(self._partition, "stop intake")
        self._stopping.set()


class World:
    """`membership`: played, unless another one is given. `said`: what the parts did, by partition.

    `beating`: loops that are missed when they stand still. `frozen_seconds`: that this process has slept, all in all.
    """

    def __init__(self, membership=None, partitions=PARTITIONS):
        self.membership = membership or PlayedMembership(self.monotonic)
        self.said = {number: [] for number in range(partitions)}
        self.opened = Counter()
        self.open_seconds, self.close_seconds, self.drain_seconds = 0.1, 0.1, 0.1
        self.end_seconds, self.open_failure = 0.0, None
        self.intake_failure = None
        self.lines = []
        self.beating = set()
        self.frozen_seconds = 0.0
        around = Surroundings(monotonic=self.monotonic, beat=self.beating.add, forget=self.beating.discard, log=self)
        self.replica = Replica(membership=self.membership, partitions=partitions, parts=self, surroundings=around)

    def monotonic(self):
        return now() + self.frozen_seconds

    def say(self, partition, what):
        self.said[partition].append(what)

    async def end(self, partition):
        if self.end_seconds:
            await asyncio.sleep(self.end_seconds)
            self.say(partition, "ended")

    def ledger(self, partition):
        return PlayedLedger(self, partition)

    def shard(self, partition, ledger, beat):
        return PlayedShard(self, partition, beat)

    def intake(self, partition, shard, marks, beat):
        if self.intake_failure is not None:
            raise self.intake_failure
        assert marks == {"intake/jobs/0": b"7"}
        return PlayedIntake(self, partition, beat)

    def info(self, event, /, **fields):
        self.lines.append(event)

    warning = error = info

    @property
    def acting(self):
        return {partition for partition, shard in self.replica.shards.items() if shard.acting}

    @property
    def loaded(self):
        return set(self.replica.shards)

    @asynccontextmanager
    async def running(self):
        self.task = asyncio.create_task(self.replica.run())
        await asyncio.sleep(0.01)
        yield self.replica
        await self.replica.stop()
        await asyncio.wait([self.task])
        assert not any(self.opened.values())
        assert self.beating <= {"replica"}


def scenario(story):
    """Runs a story in virtual time, with a world of its own."""

    def test():
        async def run():
            await story(World())

        virtual.run(run())

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test
