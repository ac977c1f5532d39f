"""Calls that may be cut short, in virtual time."""

import asyncio
from contextlib import suppress

import pytest
from sim.virtual import run

from relay.interruption import Interrupted, Interruptible


async def sleep(context, seconds):
    with context:
        await asyncio.sleep(seconds)
        return "done"


async def elapsed(call):
    """How long it took, and how it ended."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        result = await call
    except Exception as error:  # noqa: BLE001 - it is the answer
        result = error
    return loop.time() - began, result


def test_what_takes_too_long_ends_in_time_and_says_so():
    async def main():
        context = Interruptible(5.0)
        assert await sleep(context, 4.9) == "done"
        seconds, error = await elapsed(sleep(context, 5.1))
        assert seconds == pytest.approx(5.0)
        assert isinstance(error, TimeoutError)
        assert error.strerror == "after 5 s"
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_each_has_its_own_time_however_many_are_underway():
    async def main():
        context = Interruptible(5.0)

        async def later(number):
            await asyncio.sleep(number / 10)
            return await elapsed(sleep(context, 4.0 if number % 3 else 9.0))

        ended = await asyncio.gather(*map(later, range(100)))
        for number, (seconds, result) in enumerate(ended):
            assert seconds == pytest.approx(4.0 if number % 3 else 5.0)
            assert isinstance(result, TimeoutError) == (number % 3 == 0)
        assert (context._underway, context._errors, context._timer) == ({}, {}, None)

    run(main())


def test_no_timer_is_left_when_nothing_is_underway():
    async def main():
        context = Interruptible(5.0)
        await sleep(context, 1.0)
        assert context._timer is None

    run(main())


def test_all_that_are_underway_are_cut_short_and_those_that_come_later_are_not():
    async def main():
        context = Interruptible()
        calls = [asyncio.create_task(sleep(context, 9.0)) for _ in range(3)]
        await asyncio.sleep(1.0)
        context.interrupt_all()
        context.interrupt_all()
        later = asyncio.create_task(sleep(context, 2.0))
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in ended] == [Interrupted] * 3
        assert await later == "done"

    run(main())


def test_who_is_cancelled_by_somebody_else_is_cancelled_even_if_it_is_cut_short_as_well():
    async def main():
        context = Interruptible(5.0)
        for cut in (lambda: None, context.interrupt_all):
            call = asyncio.create_task(sleep(context, 9.0))
            await asyncio.sleep(1.0)
            cut()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(main())


def test_one_that_ends_at_the_moment_it_is_cut_short_is_not_cancelled_later():
    async def main():
        context, gate = Interruptible(), asyncio.Event()

        async def call():
            with suppress(Interrupted), context, suppress(asyncio.CancelledError):
                await gate.wait()
            await asyncio.sleep(1.0)
            return asyncio.current_task().cancelling()

        task = asyncio.create_task(call())
        await asyncio.sleep(1.0)
        gate.set()
        context.interrupt_all()
        assert await task == 0

    run(main())


def test_one_context_within_another_ends_with_the_error_of_the_one_that_cut_it_short():
    async def main():
        inner, outer = Interruptible(5.0), Interruptible()

        async def call():
            with outer:
                return await sleep(inner, 9.0)

        seconds, error = await elapsed(call())
        assert (seconds, type(error)) == (pytest.approx(5.0), TimeoutError)
        task = asyncio.create_task(call())
        await asyncio.sleep(1.0)
        outer.interrupt_all()
        with pytest.raises(Interrupted):
            await task
        task = asyncio.create_task(call())
        await asyncio.sleep(1.0)
        inner.interrupt_all()
        outer.interrupt_all()
        with pytest.raises(Interrupted):
            await task

    run(main())
