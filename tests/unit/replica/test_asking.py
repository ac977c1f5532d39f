"""Requests as records of the intake topic: where they go, in which order, and what is said when they do not."""

import asyncio

import orjson
import pytest

from relay.core.commands import Pause, Recover, Untrack
from relay.core.job import TrackRequest
from relay.errors import Reason, Unavailable
from relay.kafka.producer import Written
from relay.kafka.publisher import NotPublished
from relay.ledger.kafka.partitioning import partition_of
from relay.replica import asking
from relay.replica.asking import Asking

PARTITIONS = 5


class Topic:
    """`log`: by partition. `failure`: why nothing is acknowledged. `hanging`: nothing is, and nobody says why."""

    def __init__(self):
        self.log = [[] for _ in range(PARTITIONS)]
        self.failure = None
        self.hanging = None
        self.underway = self.underway_max = 0
        self.lines = []
        self.asking = Asking(self.publish, topic="jobs", partitions=PARTITIONS, log=self)

    async def publish(self, record):
        self.underway += 1
        self.underway_max = max(self.underway_max, self.underway)
        await asyncio.sleep(0)
        self.underway -= 1
        if self.hanging is not None:
            await self.hanging.wait()
        if self.failure is not None:
            raise NotPublished(self.failure, "no")
        log = self.log[record.partition]
        log.append(record)
        return Written(record.partition, len(log) - 1)

    def warning(self, event, /, **fields):
        self.lines.append((event, fields.get("client"), fields.get("reason")))

    info = error = warning


@pytest.fixture
async def topic():
    topic = Topic()
    yield topic
    await topic.asking.close()


def request(account, job_id="a", **fields):
    return TrackRequest(account=account, id=job_id, **fields)


async def test_each_job_goes_to_the_partition_of_its_account_all_at_once(topic):
    accounts = [f"account-{number}" for number in range(50)]
    found = await topic.asking.track([request(account) for account in accounts])
    assert [one.partition for one in found] == [partition_of(account, PARTITIONS) for account in accounts]
    for account, (partition, offset) in zip(accounts, found, strict=True):
        record = topic.log[partition][offset]
        assert (record.topic, record.key) == ("jobs", account.encode())
        assert orjson.loads(record.value) == {"account": account, "id": "a"}
    assert topic.underway_max == len(accounts)


async def test_one_job_several_times_keeps_its_order(topic):
    wanted = [request("acme", metadata=b'{"n":%d}' % number) for number in range(9)]
    found = await topic.asking.track([*wanted, request("acme", "b")])
    offsets = [one.offset for one in found[:9]]
    assert offsets == sorted(offsets)
    values = [orjson.loads(record.value) for record in topic.log[found[0].partition]]
    assert [value["metadata"]["n"] for value in values if value["id"] == "a"] == list(range(9))


async def test_a_command_about_a_job_goes_to_its_partition(topic):
    place = await topic.asking.of_account(Untrack(account="acme", id="a"))
    assert place == (partition_of("acme", PARTITIONS), 0)
    [record] = topic.log[place.partition]
    assert (record.key, dict(record.headers)) == (b"acme", {"relay.command": b"untrack"})


async def test_a_command_about_a_sink_goes_to_every_partition_and_is_the_same_in_each(topic):
    await topic.asking.track([request("acme")])
    offsets = await topic.asking.of_sink(Pause(sink="orders", since=7.0))
    assert offsets == {number: int(number == partition_of("acme", PARTITIONS)) for number in range(PARTITIONS)}
    assert len({log[-1].value for log in topic.log}) == 1


@pytest.mark.parametrize("reason", [Reason.CONNECT, Reason.FORBIDDEN])
async def test_what_is_not_acknowledged_is_refused_and_said_once_by_whoever_knows(topic, reason):
    """Of a broker that is away, the publisher itself tells."""
    topic.failure = reason
    for _ in range(2):
        with pytest.raises(Unavailable) as raised:
            await topic.asking.of_sink(Recover(sink="orders", since=0.0, until=1.0))
        assert raised.value.reason is Reason.LEDGER_UNAVAILABLE
        assert raised.value.retry_after_seconds > 0
    said = [] if reason is Reason.CONNECT else [("kafka.unavailable", "api", reason)]
    assert topic.lines == said
    topic.failure = None
    await topic.asking.track([request("acme")])
    assert topic.lines == said + [("kafka.available", "api", None)] * len(said)


async def test_nobody_waits_for_long(topic, monkeypatch):
    monkeypatch.setattr(asking, "ACKNOWLEDGED_SECONDS_MAX", 0.01)
    topic.hanging = asyncio.Event()
    with pytest.raises(Unavailable):
        await topic.asking.track([request("acme")])


async def test_who_gives_up_does_not_cut_short_what_others_share(topic):
    """To break off a request would make the producer that all share begin anew."""
    topic.hanging = asyncio.Event()
    caller = asyncio.create_task(topic.asking.track([request("acme")]))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    topic.hanging.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert sum(map(len, topic.log)) == 1


async def test_nothing_is_left_underway_when_it_is_closed(topic):
    topic.hanging = asyncio.Event()
    caller = asyncio.create_task(topic.asking.track([request("acme")]))
    await asyncio.sleep(0)
    await topic.asking.close()
    await asyncio.wait([caller])
    assert caller.cancelled()


def test_how_far_it_is_recorded_is_told_by_the_marks():
    topic = Topic()
    marks = {0: {"intake/jobs/0": b"17", "intake/jobs/id": bytes(16), "token:acme": b"x"}, 3: {"intake/other/3": b"5"}}
    assert {number: topic.asking.reached(number, own) for number, own in marks.items()} == {0: 17, 3: 0}
