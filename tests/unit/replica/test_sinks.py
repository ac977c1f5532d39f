"""The sinks on a replica: what the shards here, the images and what was just asked say together, nothing twice."""

import math
from random import Random

import pytest
from sim.owing import Told, ended_job

from relay.core import commands
from relay.core.commands import HEADER, Pause, Recover, Resume, Retry
from relay.core.delivery import Attempt, DeliveryKey, DeliveryState, Schedule, Subscription, owe
from relay.core.record import Backlog, DeliveryFilter
from relay.core.standing import SinkStanding, SinkState
from relay.core.standstill import Standstill, encode, mark_of
from relay.errors import LedgerError, Reason, Unavailable, UnknownSink
from relay.kafka.producer import Written
from relay.kafka.publisher import NotPublished
from relay.ledger.kafka.partitioning import partition_of
from relay.replica import sinks
from relay.replica.asking import Asking
from relay.replica.receivers import Receivers
from relay.replica.sinks import Sinks
from relay.shard.ports import Subscriber

PARTITIONS = 3
NOW = 1_750_000_000.0
GONE = encode(Standstill(state=SinkState.DISABLED, since=5.0, error="gone: 410"))
ACTIVE = SinkStanding(name="orders", kind="webhook")


class Images:
    """What they show."""

    def __init__(self):
        self.owed = {}
        self.rows = []
        self.own_marks = {number: {f"intake/jobs/{number}": b"0"} for number in range(PARTITIONS)}

    async def backlog(self):
        return self.owed

    async def marks(self):
        return self.own_marks

    async def deliveries(self, wanted, after, limit):
        found = [
            (row, job)
            for row, job in self.rows
            if (row.state, row.sink) == (wanted.state, wanted.sink)
            and wanted.since <= row.since < wanted.until
            and (after is None or row.key < after)
        ]
        return sorted(found, key=lambda one: one[0].key, reverse=True)[:limit]

    async def delivery(self, key):
        return next(((row, job) for row, job in self.rows if row.key == key), None)


class OwnSinks:
    """Those of a shard at work here."""

    def __init__(self, *standings):
        self.standings = standings
        self.failing = False

    def standing_with(self, backlog):
        assert backlog == {}, "what is owed is counted elsewhere"
        return self.standings

    async def standing(self):
        if self.failing:
            raise LedgerError("closed")
        return [SinkStanding(name=one.name, kind=one.kind, state=one.state, pending=5) for one in self.standings]


class Own:
    def __init__(self, *standings):
        self.sinks = OwnSinks(*standings)


class Replica:
    """`asked`: commands by partition. `owned`: shards at work here."""

    def __init__(self):
        self.images, self.receiver = Images(), Told(Attempt(reason=Reason.REFUSED))
        self.asked = [[] for _ in range(PARTITIONS)]
        self.owned = {}
        self.configured = self.refusing = False
        subscription = Subscription(sink="orders")
        orders = Subscriber(subscription=subscription, sink=self.receiver, schedule=Schedule(), concurrency=1)
        self.sinks = Sinks(
            receivers=Receivers(subscribers=[orders], callbacks=self),
            rows=self.images,
            asking=Asking(self.publish, topic="jobs", partitions=PARTITIONS, log=self),
            shards=lambda: self.owned,
            clock=self,
            random=Random(1),
        )

    async def publish(self, record):
        if self.refusing:
            raise NotPublished(Reason.CONNECT, "no")
        log = self.asked[record.partition]
        log.append(commands.decode(dict(record.headers)[HEADER].decode(), record.value))
        return Written(record.partition, len(log) - 1)

    def now(self):
        return NOW

    def mark(self, partition, value, sink="orders"):
        self.images.own_marks[partition][mark_of(sink)] = value

    def reach(self, partition, offset):
        self.images.own_marks[partition][f"intake/jobs/{partition}"] = b"%d" % offset

    async def state(self):
        return (await self.sinks.standing())[0].state


@pytest.fixture
def replica():
    return Replica()


class TestStanding:
    async def test_what_is_owed_in_all_partitions_is_told_once_whoever_owns_them(self, replica):
        replica.images.owed = {"orders": Backlog(pending=3, dead=2, oldest_pending_since=40.0)}
        replica.owned = {0: Own(ACTIVE), 2: Own(ACTIVE)}
        assert await replica.sinks.standing() == [
            SinkStanding(name="orders", kind="webhook", pending=3, dead=2, oldest_pending_since=40.0)
        ]

    async def test_how_it_goes_is_told_by_the_shard_here_that_is_worst_off(self, replica):
        failing = SinkStanding(name="orders", kind="webhook", state=SinkState.FAILING, since=7.0, error="timeout")
        replica.owned = {0: Own(ACTIVE), 2: Own(failing)}
        assert await replica.sinks.standing() == [failing]

    async def test_a_standstill_elsewhere_is_told_by_the_image(self, replica):
        replica.mark(1, GONE)
        [found] = await replica.sinks.standing()
        assert (found.state, found.since, found.error) == (SinkState.DISABLED, 5.0, "gone: 410")

    async def test_callbacks_stand_there_where_there_are_any(self, replica):
        assert len(await replica.sinks.standing()) == 1
        replica.images.owed = {"callback:https://a:443": Backlog(pending=1), "callback:https://b:443": Backlog(dead=1)}
        assert (await replica.sinks.standing())[1] == SinkStanding(name="callback", kind="callback", pending=1, dead=1)
        replica.images.owed = {}
        replica.configured = True
        replica.mark(0, encode(Standstill(state=SinkState.PAUSED, since=1.0)), "callback")
        assert (await replica.sinks.standing())[1].state is SinkState.PAUSED

    async def test_metrics_tell_of_the_shards_here_alone(self, replica):
        replica.images.owed = {"orders": Backlog(pending=100)}
        assert await replica.sinks.own_standing() == [ACTIVE]
        replica.owned = {0: Own(ACTIVE), 2: Own(ACTIVE)}
        assert [one.pending for one in await replica.sinks.own_standing()] == [10]
        replica.owned[2].sinks.failing = True
        assert [one.pending for one in await replica.sinks.own_standing()] == [5]


class TestPause:
    async def test_every_partition_is_told_the_same(self, replica):
        await replica.sinks.pause("orders")
        assert replica.asked == [[Pause(sink="orders", since=NOW)]] * PARTITIONS

    async def test_it_is_paused_for_this_replica_from_then_on(self, replica):
        replica.owned = {0: Own(ACTIVE)}
        await replica.sinks.pause("orders")
        for partition in range(PARTITIONS):
            [found] = await replica.sinks.standing()
            assert (found.state, found.since) == (SinkState.PAUSED, NOW)
            replica.reach(partition, 1)
        assert await replica.state() is SinkState.ACTIVE, "the images say so, and it may have been resumed elsewhere"

    async def test_a_410_stays_one(self, replica):
        replica.mark(1, GONE)
        await replica.sinks.pause("orders")
        assert await replica.state() is SinkState.DISABLED

    async def test_when_it_is_resumed_it_goes_on_for_this_replica_from_then_on(self, replica):
        paused = SinkStanding(name="orders", kind="webhook", state=SinkState.PAUSED, since=1.0)
        replica.mark(0, GONE)
        replica.mark(1, GONE)
        replica.owned = {0: Own(paused)}
        await replica.sinks.resume("orders")
        assert replica.asked == [[Resume(sink="orders")]] * PARTITIONS
        assert await replica.state() is SinkState.ACTIVE
        replica.reach(1, 1)
        assert await replica.state() is SinkState.DISABLED, "a receiver may be gone again"

    async def test_what_not_all_have_got_is_not_done(self, replica):
        replica.refusing = True
        with pytest.raises(Unavailable):
            await replica.sinks.pause("orders")
        assert await replica.state() is SinkState.ACTIVE


@pytest.mark.parametrize("name", ["nobody", "callback"])
@pytest.mark.parametrize("call", ["pause", "resume", "test", "recover"])
async def test_a_sink_that_there_is_not_is_unknown(replica, call, name):
    arguments = (name, 0.0, 1.0) if call == "recover" else (name,)
    with pytest.raises(UnknownSink):
        await getattr(replica.sinks, call)(*arguments)
    assert replica.asked == [[]] * PARTITIONS


async def test_callbacks_that_are_owed_something_can_be_paused(replica):
    replica.images.owed = {"callback:https://a:443": Backlog(pending=1)}
    await replica.sinks.pause("callback")
    assert replica.asked[0] == [Pause(sink="callback", since=NOW)]


async def test_a_test_is_sent_from_here(replica):
    assert await replica.sinks.test("orders") == Attempt(reason=Reason.REFUSED)
    [request] = replica.receiver.requests
    assert (request.event.type, request.event.subject) == ("relay.test", "orders")
    assert replica.asked == [[]] * PARTITIONS


def owed_row(number, since, **fields):
    job = ended_job(number, NOW)
    row = owe(job, None, Subscription(sink="orders"), NOW)
    changed = {name: getattr(row, name) for name in type(row).__slots__} | {"since": since} | fields
    return type(row)(**changed), job


class TestRecover:
    @pytest.mark.parametrize(("until", "told", "count"), [(math.inf, NOW, 7), (NOW - 3.5, NOW - 3.5, 4)])
    async def test_every_partition_is_told_and_how_many_there_are_is_counted_in_the_images(
        self, replica, monkeypatch, until, told, count
    ):
        """Never beyond this moment: what dies again later would be recovered by a repeat."""
        monkeypatch.setattr(sinks, "COUNTED_AT_ONCE", 2)
        replica.images.rows = [owed_row(number, NOW - 1 - number, state=DeliveryState.DEAD) for number in range(7)]
        replica.images.rows += [owed_row(number, NOW - 5) for number in range(10, 15)]
        assert await replica.sinks.recover("orders", 0.0, until) == count
        assert replica.asked == [[Recover(sink="orders", since=0.0, until=told)]] * PARTITIONS


class TestRetry:
    async def test_the_partition_of_the_account_is_told(self, replica):
        row, job = owed_row(1, NOW)
        replica.images.rows = [(row, job)]
        assert await replica.sinks.retry(row.key) is True
        wanted = Retry(tracked_at=row.tracked_at, account=row.account, job_id=row.job_id, sink="orders")
        assert replica.asked[partition_of("acme", PARTITIONS)] == [wanted]
        assert sum(map(len, replica.asked)) == 1

    async def test_what_the_images_do_not_show_or_nobody_wants_any_more_is_not_there(self, replica):
        row, job = owed_row(1, NOW, sink="gone")
        replica.images.rows = [(row, job)]
        assert await replica.sinks.retry(row.key) is False
        assert await replica.sinks.retry(DeliveryKey(1.0, "acme", "x", "orders")) is False
        assert replica.asked == [[]] * PARTITIONS


async def test_deliveries_are_listed_as_the_images_show_them(replica):
    replica.images.rows = [owed_row(1, NOW - 5)]
    wanted = DeliveryFilter(state=DeliveryState.PENDING, sink="orders", since=0.0, until=NOW)
    assert await replica.sinks.deliveries(wanted, None, 5) == replica.images.rows
