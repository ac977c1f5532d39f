import asyncio

import pytest

from relay.errors import Reason, Unavailable
from relay.intake.gate import Bounds, Gate, Submission


def refused(action):
    with pytest.raises(Unavailable) as caught:
        action()
    return caught.value.reason


def test_submissions_beyond_the_bound_are_refused_until_one_has_left():
    gate = Gate(Bounds(submissions=2))
    with Submission(gate):
        with Submission(gate):
            assert refused(Submission(gate).__enter__) is Reason.OVERLOADED
        with Submission(gate):
            pass


def test_bytes_beyond_the_bound_are_refused_until_some_are_given_back():
    gate = Gate(Bounds(submissions_bytes=10))
    with Submission(gate) as first, Submission(gate) as second:
        first.hold(6)
        second.hold(4)
        assert refused(lambda: second.hold(1)) is Reason.OVERLOADED
    with Submission(gate) as third:
        third.hold(10)


def test_a_drained_gate_takes_nothing_new():
    gate = Gate(Bounds())
    with Submission(gate):
        gate.drain()
        gate.drain()
        assert refused(Submission(gate).__enter__) is Reason.DRAINING
        assert refused(gate.check_open) is Reason.DRAINING


async def test_a_wait_ends_with_what_is_waited_for():
    ended = asyncio.Event()
    waiting = asyncio.create_task(Gate(Bounds()).wait(lambda _: ended.wait(), 60))
    await asyncio.sleep(0)
    ended.set()
    await waiting


async def test_a_wait_ends_when_the_time_is_up():
    await Gate(Bounds()).wait(lambda _: asyncio.Event().wait(), 0.001)


async def test_draining_ends_every_wait_and_begins_none():
    gate = Gate(Bounds())
    waiting = [asyncio.create_task(gate.wait(lambda _: asyncio.Event().wait(), 60)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.drain()
    gate.drain()
    await asyncio.gather(*waiting)
    await gate.wait(lambda _: asyncio.Event().wait(), 60)


async def test_who_waits_beyond_the_bound_is_answered_at_once():
    gate = Gate(Bounds(waiters=1))
    waiting = asyncio.create_task(gate.wait(lambda _: asyncio.Event().wait(), 60))
    await asyncio.sleep(0)
    await gate.wait(lambda _: asyncio.Event().wait(), 60)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await gate.wait(lambda _: asyncio.Event().wait(), 0.001)


def test_streams_beyond_the_bound_are_refused_until_one_has_ended():
    gate = Gate(Bounds(streams=1))
    with gate.stream():
        assert refused(gate.stream().__enter__) is Reason.OVERLOADED
    with gate.stream():
        pass


async def test_a_rest_is_not_bounded_in_number_and_ends_when_draining_begins():
    gate = Gate(Bounds(waiters=0))
    resting = asyncio.create_task(gate.rest(asyncio.Event().wait, 60))
    await asyncio.sleep(0)
    assert not resting.done()
    gate.drain()
    await resting
    await gate.rest(asyncio.Event().wait, 60)
