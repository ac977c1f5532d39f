"""The loop of the Kafka intake in virtual time: hours of outages, and when the process is to be restarted."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from uuid import UUID

from sim import virtual

from relay.core.allowlist import Allowlist
from relay.core.commands import HEADER, Pause, encode
from relay.errors import Reason, Unavailable
from relay.intake.accounts import Account, Directory
from relay.intake.kafka import KafkaIntake, Surroundings
from relay.intake.offsets import Offsets
from relay.intake.taking import Taking
from relay.kafka.failures import KafkaFailure
from relay.kafka.reader import Message, OutOfRange
from relay.kafka.topics import Topic
from relay.ops.health import Health

AWAY = KafkaFailure(Reason.CONNECT, "Connection refused")
MINUTE, HOUR = 60.0, 3_600.0


class FakeTopic:
    """A topic with the broker that has it, and the one who reads it. `starts`: of the log. `away`: the broker.

    `mute`: readers that are open get nothing more, and nobody knows why. `leaderless`: nobody tells the ends.
    """

    def __init__(self, partitions=1):
        self.id = UUID(int=1)
        self.log = {number: [] for number in range(partitions)}
        self.starts = dict.fromkeys(self.log, 0)
        self.away = self.mute = self.deaf = self.leaderless = False
        self.opened = self.closed = 0
        self.shown = {}

    def add(self, *ids, partition=0):
        self.log[partition] += [(b'{"id": "%s"}' % job_id.encode(), ()) for job_id in ids]

    def order(self, command):
        kind, value = encode(command)
        self.log[0].append((value, [(HEADER, kind.encode())]))

    def check(self):
        if self.away:
            raise AWAY

    async def describe(self):
        self.check()
        return Topic(name="jobs", partitions=len(self.log), id=self.id)

    async def open(self, topic, offsets):
        self.check()
        self.opened += 1
        self.mute = self.deaf
        return FakeReader(self, topic, {number: offsets.get(number, self.starts[number]) for number in self.log})

    async def show(self, offsets):
        self.shown = dict(offsets)

    async def close(self):
        """Nothing is held."""


class FakeReader:
    def __init__(self, source, topic, positions):
        self.source, self.topic, self._positions = source, topic, positions

    async def fetch(self, records_max, seconds):
        found = []
        if not (self.source.away or self.source.mute):
            for partition, position in self._positions.items():
                values = self.source.log[partition]
                if not self.source.starts[partition] <= position <= len(values):
                    raise OutOfRange({partition: position})
                found += [
                    Message(partition, offset, None, *values[offset])
                    for offset in range(position, min(len(values), position + records_max))
                ]
        for message in found:
            self._positions[message.partition] = message.offset + 1
        if not found:
            await asyncio.sleep(seconds)
        return found

    async def positions(self):
        return dict(self._positions)

    async def ends(self):
        self.source.check()
        if self.source.leaderless:
            await asyncio.sleep(5)
            raise KafkaFailure(Reason.TIMEOUT, "no leader")
        return {partition: len(values) for partition, values in self.source.log.items()}

    @property
    def grown(self):
        return len(self.source.log) > len(self._positions)

    async def rewind(self, partitions):
        starts = {partition: self.source.starts[partition] for partition in partitions}
        self._positions |= starts
        return starts

    async def close(self):
        self.source.closed += 1


class World:
    """A topic, an intake that reads it, the ledger that takes it (or is `full`), and whoever looks at its health."""

    def __init__(self, partitions=1):
        self.topic = FakeTopic(partitions)
        self.jobs, self.marks, self.full = Counter(), {}, None
        self.orders = []
        self.lines = []
        self.directory = Directory([Account(name="acme", base_url="https://acme.zendesk.com")])
        self.callbacks = Allowlist()
        self.health = Health(virtual.VirtualClock().monotonic)

    @asynccontextmanager
    async def running(self):
        around = Surroundings(monotonic=virtual.VirtualClock().monotonic, beat=self.health.beat, log=self)
        taking = Taking(jobs=self, rules=self, dead_letters=self, observer=self, log=self)
        intake = KafkaIntake(source=self.topic, offsets=Offsets("jobs", self.marks), taking=taking, around=around)
        task = asyncio.create_task(intake.run())
        yield intake
        await intake.stop()
        assert task.done()
        assert self.topic.opened == self.topic.closed

    async def track(self, requests, marks):
        if self.full is not None:
            raise Unavailable(self.full, "full", 5.0)
        self.jobs.update(request.id for request in requests)
        self.marks |= marks
        return [True] * len(requests)

    async def execute(self, commands, marks):
        if self.full is not None:
            raise Unavailable(self.full, "full", 5.0)
        self.orders += commands
        self.marks |= marks

    async def bury(self, unreadable): ...

    def intake_jobs(self, source, result, count): ...

    def intake_ack(self, seconds): ...

    def info(self, event, /, **fields):
        self.lines.append(event)

    warning = error = info

    async def alive(self, seconds):
        """Whether it was alive all this time, by the probes that Kubernetes makes."""
        alive = True
        for _ in range(int(seconds / 10)):
            await asyncio.sleep(10)
            alive = alive and self.health.live() == []
        return alive


def scenario(story):
    """Runs a story in virtual time."""

    def test():
        virtual.run(story())

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


@scenario
async def test_all_that_is_there_and_all_that_comes_is_taken_and_shown():
    world = World(partitions=2)
    world.topic.add("a", "b")
    async with world.running():
        await asyncio.sleep(1)
        world.topic.add("c", partition=1)
        await asyncio.sleep(10)
    assert world.jobs == {"a": 1, "b": 1, "c": 1}
    assert world.topic.shown == {0: 2, 1: 1}
    assert world.marks == {"intake/jobs/id": UUID(int=1).bytes, "intake/jobs/0": b"2", "intake/jobs/1": b"1"}


@scenario
async def test_a_new_process_goes_on_where_the_last_one_was():
    world = World()
    world.topic.add("a", "b")
    for _ in range(3):
        async with world.running():
            await asyncio.sleep(1)
    assert world.jobs == {"a": 1, "b": 1}


@scenario
async def test_a_command_that_was_carried_out_is_not_repeated_whatever_fails_after_it():
    """It is recorded with its own place: what comes after it may be tried again and again."""
    world = World()
    world.topic.add("a")
    world.topic.order(Pause(sink="orders", since=7.0))
    world.topic.add("b")
    track = world.track

    async def fail_after_a_command(requests, marks):
        if world.orders:
            raise Unavailable(Reason.LEDGER_UNAVAILABLE, "gone", 5.0)
        return await track(requests, marks)

    world.track = fail_after_a_command
    async with world.running():
        await asyncio.sleep(100)
    assert world.marks["intake/jobs/0"] == b"2"
    world.track = track
    async with world.running():
        await asyncio.sleep(10)
    assert (world.jobs, world.orders) == ({"a": 1, "b": 1}, [Pause(sink="orders", since=7.0)])
    assert world.marks["intake/jobs/0"] == b"3"


@scenario
async def test_an_idle_topic_is_a_sign_of_life():
    world = World()
    async with world.running():
        assert await world.alive(HOUR)
    assert world.topic.opened == 1


@scenario
async def test_a_broker_that_is_away_for_a_day_restarts_nobody_and_is_told_once():
    world = World()
    async with world.running():
        await asyncio.sleep(10)
        world.topic.add("a")
        world.topic.away = True
        assert await world.alive(24 * HOUR)
        world.topic.away = False
        await asyncio.sleep(10)
    assert world.jobs == {"a": 1}
    assert world.lines == ["kafka.unavailable", "kafka.available"]


@scenario
async def test_a_ledger_that_takes_nothing_holds_the_reading_up_and_restarts_nobody():
    world = World()
    async with world.running():
        await asyncio.sleep(1)
        world.full = Reason.LEDGER_UNAVAILABLE
        world.topic.add(*map(str, range(50)))
        assert await world.alive(2 * HOUR)
        assert not world.jobs
        world.full = None
        await asyncio.sleep(10)
    assert len(world.jobs) == 50
    assert set(world.jobs.values()) == {1}


@scenario
async def test_a_reader_that_gets_nothing_more_is_replaced():
    world = World()
    async with world.running():
        await asyncio.sleep(10)
        world.topic.mute = True
        world.topic.add("a")
        assert await world.alive(2 * MINUTE)
    assert world.jobs == {"a": 1}
    assert (world.topic.opened, world.lines) == (2, ["intake.stands_still"])


@scenario
async def test_where_a_new_reader_is_no_help_the_process_shows_no_more_life_after_two_minutes():
    """So that whatever supervises it restarts it."""
    world = World()
    async with world.running():
        await asyncio.sleep(10)
        world.topic.mute = world.topic.deaf = True
        world.topic.add("a")
        assert await world.alive(110)
        await asyncio.sleep(30)
        assert [line.partition(" ")[0] for line in world.health.live()] == ["intake:kafka"]
        world.topic.deaf = False
        await asyncio.sleep(MINUTE)
        assert world.health.live() == []
    assert world.jobs == {"a": 1}


@scenario
async def test_partitions_without_a_leader_do_not_stop_the_others_and_are_no_reason_to_restart():
    world = World()
    async with world.running():
        world.topic.leaderless = True
        for number in range(60):
            world.topic.add(str(number))
            assert await world.alive(10)
    assert len(world.jobs) == 60
    assert "kafka.unavailable" not in world.lines


@scenario
async def test_partitions_that_are_added_are_read():
    world = World()
    async with world.running():
        await asyncio.sleep(10)
        world.topic.log[1], world.topic.starts[1] = [], 0
        world.topic.add("new", partition=1)
        await asyncio.sleep(10)
    assert world.jobs == {"new": 1}


@scenario
async def test_what_was_not_kept_long_enough_alarms_and_the_rest_is_read():
    world = World()
    world.topic.add(*map(str, range(10)))
    world.marks["intake/jobs/0"] = b"2"
    world.topic.starts[0] = 7
    async with world.running():
        await asyncio.sleep(10)
    assert set(world.jobs) == {"7", "8", "9"}
    assert world.lines == ["intake.offset_lost"]


@scenario
async def test_a_topic_that_was_made_anew_alarms_and_is_read_from_its_start():
    world = World()
    world.topic.add("a", "b")
    async with world.running():
        await asyncio.sleep(10)
    world.topic.id = UUID(int=2)
    world.topic.log[0] = []
    world.topic.add("x", "y", "z")
    async with world.running():
        await asyncio.sleep(10)
    assert set(world.jobs) == {"a", "b", "x", "y", "z"}
    assert world.lines == ["intake.topic_replaced"]


@scenario
async def test_to_stop_while_everything_is_away_takes_no_time():
    world = World()
    world.topic.away = True
    async with world.running() as intake:
        await asyncio.sleep(MINUTE)
        began = asyncio.get_running_loop().time()
        await intake.stop()
        assert asyncio.get_running_loop().time() - began < 1
