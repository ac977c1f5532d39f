"""What is asked of a replica that owns nothing, at a real broker: another one carries it out, and all see it."""

import asyncio
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from random import Random

import orjson
import pytest
from integration.processes import until
from kafka.topics import Message
from sim.owing import Told

from relay.core.allowlist import Allowlist
from relay.core.delivery import Schedule, Subscription
from relay.core.job import JobKey, TrackRequest
from relay.core.observe import Rules
from relay.core.standing import SinkState
from relay.errors import LedgerError
from relay.intake.accounts import Account, Directory
from relay.intake.dead_letters import DeadLetters
from relay.intake.forwarding import Forwarding
from relay.intake.kafka import KafkaIntake
from relay.intake.kafka import Surroundings as IntakeSurroundings
from relay.intake.offsets import Offsets
from relay.intake.records import FORWARDED
from relay.intake.taking import Taking
from relay.kafka.connection import Connection, quiet_library
from relay.kafka.coordination import Group
from relay.kafka.ends import Ends
from relay.kafka.membership import Membership
from relay.kafka.publisher import Publisher
from relay.kafka.source import PartitionSource
from relay.ledger.kafka.images import Images
from relay.ledger.kafka.merged import Merged
from relay.ledger.kafka.partition import Partition
from relay.ledger.kafka.partitioning import partition_of
from relay.ledger.kafka.publishing import Publishing
from relay.ledger.kafka.topics import ensure
from relay.replica.accounts import Accounts
from relay.replica.asking import Asking
from relay.replica.barrier import Barrier
from relay.replica.jobs import Jobs
from relay.replica.ports import Surroundings as ReplicaSurroundings
from relay.replica.receivers import Receivers
from relay.replica.replica import Replica
from relay.replica.sinks import Sinks
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.ports import Polling, Settings, Subscriber, Surroundings
from relay.shard.waiters import Waiters

PARTITIONS = 3
SECONDS_MAX = 60.0
NAMES = tuple(f"acme-{number}" for number in range(6))
CEILINGS = dict.fromkeys(NAMES, 60.0)


class Silent:
    """Metrics, logs, and callbacks that are not configured."""

    configured = False

    def __getattr__(self, _):
        return lambda *_, **__: None


class Clock:
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class Configured:
    """The rules of the intake."""

    directory = Directory([Account(name=name, base_url=f"https://{name}.zendesk.com") for name in NAMES])
    callbacks = Allowlist()


class House:
    """Topics that replicas share. `names`: of intake and dead letters."""

    def __init__(self, connection, ledger, intake, dead, folder):
        self.connection, self.folder = connection, folder
        self.intake, self.dead = intake, dead
        self.partitions = [
            Partition(connection=connection, cluster=intake, topic=ledger, number=number)
            for number in range(PARTITIONS)
        ]

    @asynccontextmanager
    async def replica(self, *, owns):
        """`owns`: whether it takes part in the group, alone; else it only follows."""
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        images = Images(self.partitions, folder=folder, publishing=Publishing({}), now=time.time, log=Silent())
        await images.open()
        publisher = Publisher(self.connection, Silent())
        one = OneReplica(self, images, publisher)
        running = [asyncio.create_task(images.run())]
        if owns:
            running.append(asyncio.create_task(one.replica.run()))
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await images.current.wait()
            yield one
        finally:
            if owns:
                await one.replica.stop()
            await one.asking.close()
            await one.ends.close()
            await images.close()
            await publisher.close()
            await asyncio.gather(*running)


class OneReplica:
    """As the composition root builds it, but for Zendesk, and with one sink that is never asked for anything."""

    def __init__(self, house, images, publisher):
        self._house, self._images, self._publisher = house, images, publisher
        group = Group(name=house.intake, topic=house.intake, session_seconds=6.0)
        self.membership = Membership(house.connection, group, monotonic=time.monotonic, log=Silent())
        around = ReplicaSurroundings(monotonic=time.monotonic, beat=lambda _: None, forget=lambda _: None, log=Silent())
        self.replica = Replica(membership=self.membership, partitions=PARTITIONS, parts=self, surroundings=around)
        rows, waiters, clock = Merged(images.all), Waiters(), Clock()
        images.changed = lambda _, jobs: waiters.tell(jobs)
        self.asking = Asking(publisher.publish, topic=house.intake, partitions=PARTITIONS, log=Silent())
        subscription = Subscription(sink="orders")
        self.subscribers = [Subscriber(subscription=subscription, sink=Told(), schedule=Schedule(), concurrency=1)]
        self.ends = Ends(house.connection, house.intake)
        barrier = Barrier(end=self.ends.of, rows=rows, asking=self.asking)
        self.jobs = Jobs(
            rows=rows, asking=self.asking, barrier=barrier, waiters=waiters, shards=self.shards, clock=clock
        )
        self.sinks = Sinks(
            receivers=Receivers(subscribers=self.subscribers, callbacks=Silent()),
            rows=rows,
            asking=self.asking,
            shards=self.shards,
            clock=clock,
            random=Random(1),
        )
        self.accounts = Accounts(shards=self.shards, census=rows, ceilings=lambda: CEILINGS, partitions=PARTITIONS)

    def shards(self):
        return self.replica.shards

    def ledger(self, partition):
        return self._images.ledger(partition, partial(self.membership.check, partition))

    def shard(self, partition, ledger, beat):
        return Shard(
            record=ledger,
            accounts=[],
            subscribers=self.subscribers,
            feed=Feed(recorded=ledger, sources={}),
            settings=Settings(rules=Rules(), polling=Polling()),
            surroundings=Surroundings(clock=Clock(), random=Random(1), metrics=Silent(), log=Silent(), beat=beat),
        )

    def intake(self, partition, shard, marks, beat):
        house, publish = self._house, self._publisher.publish
        taking = Taking(
            jobs=shard,
            rules=Configured(),
            dead_letters=DeadLetters(publish, topic=house.dead, source=house.intake),
            observer=Silent(),
            log=Silent(),
            forwarding=Forwarding(publish, topic=house.intake, place=partial(partition_of, partitions=PARTITIONS)),
        )
        return KafkaIntake(
            source=PartitionSource(
                house.connection, topic=house.intake, partition=partition, show=self.membership.show
            ),
            offsets=Offsets(house.intake, marks),
            taking=taking,
            around=IntakeSurroundings(monotonic=time.monotonic, beat=beat, log=Silent()),
        )

    async def state(self, key):
        """None: there is no such job."""
        view = await self.jobs.read(key)
        return None if view is None else view.job.state

    async def sink(self):
        return (await self.sinks.standing())[0].state


@pytest.fixture
async def house(kafka, topics, tmp_path):
    quiet_library()
    connection = Connection(bootstrap_servers=(kafka,))
    intake = await topics.create("intake", partitions=PARTITIONS)
    name = intake.replace("intake", "ledger")
    ledger = await ensure(connection, name, partitions=PARTITIONS, create_replicas=1)
    yield House(connection, ledger, intake, await topics.create("dead"), tmp_path)
    assert len(asyncio.all_tasks()) == 1


@pytest.fixture
async def replicas(house):
    """One that owns everything, and one that owns nothing."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(house.replica(owns=owns)) for owns in (True, False)]


async def eventually(true):
    """A question that cannot be answered yet is asked again."""

    async def is_so():
        with suppress(LedgerError):
            return await true()
        return False

    await until(is_so)


def requests(count=60):
    return [TrackRequest(account=NAMES[number % len(NAMES)], id=f"V3-{number}") for number in range(count)]


async def test_jobs_are_taken_deleted_and_counted_by_any_replica_and_seen_by_all(replicas):
    owner, other = replicas
    wanted = requests()
    gone, kept = wanted[0].key, wanted[1].key
    assert await other.jobs.track(wanted) == [True] * len(wanted)
    assert all([await other.state(request.key) == "pending" for request in wanted])
    assert all([await owner.state(request.key) == "pending" for request in wanted]), "whoever is asked next"
    assert await owner.jobs.track(wanted) == [False] * len(wanted)
    assert await other.jobs.untrack(gone) is True
    assert (await other.state(gone), await other.jobs.untrack(gone)) == (None, False)
    await eventually(lambda: _equals(None, owner.state(gone)))
    assert await owner.jobs.track([wanted[0]]) == [True], "tracked anew"
    await eventually(lambda: _equals("pending", other.state(gone)))
    assert (await other.state(kept), await other.state(JobKey("acme-0", "unheard-of"))) == ("pending", None)

    assert len(await other.jobs.page(accounts=None, state=None, after=None, limit=100)) == len(wanted)
    told = {one.name: one for one in await other.accounts.standing()}
    assert {name: one.live_jobs for name, one in told.items()} == dict.fromkeys(NAMES, 10)
    assert all(one.elsewhere for one in told.values())
    assert not any(one.elsewhere for one in await owner.accounts.standing())


async def test_a_sink_is_paused_and_resumed_everywhere_from_anywhere(replicas, house):
    owner, other = replicas
    await other.sinks.pause("orders")
    assert await other.sink() is SinkState.PAUSED, "at once, for whoever asked"
    await eventually(lambda: _equals([SinkState.PAUSED] * PARTITIONS, _states(owner)))
    async with house.replica(owns=False) as third:
        assert await third.sink() is SinkState.PAUSED
    await owner.sinks.resume("orders")
    assert await owner.sink() is SinkState.ACTIVE
    await eventually(lambda: _equals(SinkState.ACTIVE, other.sink()))
    assert await _states(owner) == [SinkState.ACTIVE] * PARTITIONS


async def test_a_record_in_the_wrong_partition_is_sent_on_once(replicas, house, topics):
    _, other = replicas
    away = {name: (partition_of(name, PARTITIONS) + 1) % PARTITIONS for name in NAMES}
    misplaced = [
        Message(orjson.dumps({"account": name, "id": "a"}), key=b"anything", partition=partition)
        for name, partition in away.items()
    ]
    again = Message(
        orjson.dumps({"account": NAMES[0], "id": "b"}), headers=[(FORWARDED, b"1")], partition=away[NAMES[0]]
    )
    await topics.produce(house.intake, *misplaced, again)
    await eventually(lambda: _all_there(other, [TrackRequest(account=name, id="a") for name in NAMES]))
    [dead] = await topics.read(house.dead, 1)
    assert orjson.loads(dead.value)["id"] == "b"
    assert b"number of partitions changed" in dict(dead.headers)["relay.error.detail"]


async def _all_there(replica, wanted):
    """Also for who has not asked for them."""
    page = await replica.jobs.page(accounts=None, state=None, after=None, limit=1_000)
    return {job.key for job in page} >= {request.key for request in wanted}


async def _equals(expected, found):
    return await found == expected


async def _states(replica):
    """Of the sink, in each shard at work there."""
    return [one.state for shard in replica.shards().values() for one in await shard.sinks.standing()]
