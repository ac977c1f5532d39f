"""Until an image shows what was asked for by now; in virtual time."""

import asyncio

import pytest
from sim.virtual import run

from relay.errors import Reason, Unavailable
from relay.kafka.failures import KafkaFailure
from relay.replica.asking import Asking
from relay.replica.barrier import ANSWER_SECONDS_MAX, SHOWN_SECONDS_MAX, Barrier


class Topic:
    """`end`: of its only partition. `reached`: what the image shows of it. `looks`: at that."""

    def __init__(self, end, reached):
        self.end, self.reached, self.looks = end, reached, 0
        self.failure, self.hanging = None, False
        asking = Asking(None, topic="jobs", partitions=1, log=None)
        self.barrier = Barrier(end=self.ask, rows=self, asking=asking)

    async def ask(self, partition):
        assert partition == 0
        if self.hanging:
            await asyncio.sleep(3_600)
        if self.failure is not None:
            raise self.failure
        return self.end

    async def marks_of(self, partition):
        self.looks += 1
        return {f"intake/jobs/{partition}": b"%d" % self.reached}


async def passed_after(topic):
    began = asyncio.get_running_loop().time()
    await topic.barrier.passed(0)
    return asyncio.get_running_loop().time() - began


def test_where_all_is_shown_nobody_waits():
    topic = Topic(end=5, reached=5)
    assert run(passed_after(topic)) == 0.0
    assert topic.looks == 1


def test_one_waits_until_what_stood_there_at_first_is_shown():
    async def main():
        topic = Topic(end=5, reached=3)
        passing = asyncio.create_task(passed_after(topic))
        await asyncio.sleep(0.5)
        assert not passing.done()
        topic.end, topic.reached = 100, 5
        assert await passing == pytest.approx(0.5, abs=0.25)
        assert topic.looks < 10

    run(main())


def test_what_takes_too_long_is_told():
    async def main():
        topic = Topic(end=5, reached=3)
        with pytest.raises(Unavailable) as raised:
            await passed_after(topic)
        assert raised.value.reason is Reason.LEDGER_UNAVAILABLE
        assert asyncio.get_running_loop().time() == pytest.approx(SHOWN_SECONDS_MAX)

    run(main())


def test_brokers_that_are_away_are_not_waited_for():
    """What is known is told all the same, as long as they are."""
    topic = Topic(end=5, reached=3)
    topic.failure = KafkaFailure(Reason.CONNECT, "Connection refused")
    assert run(passed_after(topic)) == 0.0
    topic.hanging = True
    assert run(passed_after(topic)) == pytest.approx(ANSWER_SECONDS_MAX)
