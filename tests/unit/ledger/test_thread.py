"""Calls from an event loop run one by one on the ledger's thread."""

import asyncio
import threading

import pytest

from relay.ledger.thread import Ending, LedgerThread


@pytest.fixture
def thread():
    started = LedgerThread()
    yield started
    started.stop()


async def test_a_call_is_answered_with_what_it_returns_or_raises(thread):
    assert await thread.call(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 / 0)
    assert await thread.call(lambda: "on") == "on"


async def test_calls_run_in_the_order_in_which_they_were_made(thread):
    order: list[int] = []
    await asyncio.gather(*(thread.call(lambda number=number: order.append(number)) for number in range(100)))
    assert order == list(range(100))


async def test_a_call_that_has_not_begun_is_dropped_with_its_caller_and_one_that_runs_runs_on(thread):
    begun, go_on, ran = threading.Event(), threading.Event(), list[str]()

    def held() -> None:
        begun.set()
        go_on.wait()
        ran.append("held")

    first, second = thread.call(held), thread.call(lambda: ran.append("dropped"))
    begun.wait()
    first.cancel()
    second.cancel()
    go_on.set()
    await thread.call(lambda: ran.append("last"))
    assert ran == ["held", "last"]


async def test_a_call_that_takes_long_gives_way_to_those_that_wait(thread):
    begun, go_on, order = threading.Event(), threading.Event(), list[str]()

    def takes_long() -> None:
        order.append("begun")
        begun.set()
        go_on.wait()
        thread.give_way()
        order.append("ended")

    long = thread.call(takes_long)
    begun.wait()
    others = [thread.call(lambda: order.append("first")), thread.call(lambda: 1 / 0), thread.call(order.copy)]
    others[2].cancel()
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        await others[1]
    await long
    assert order == ["begun", "first", "ended"]


async def test_the_last_call_ends_one_that_gives_way_and_comes_after_it(thread):
    begun, go_on, order = threading.Event(), threading.Event(), list[str]()

    def takes_long() -> None:
        begun.set()
        go_on.wait()
        try:
            while True:
                thread.give_way()
        finally:
            order.append("ended")

    long = thread.call(takes_long)
    begun.wait()
    last = thread.last(lambda: order.append("last"))
    go_on.set()
    with pytest.raises(Ending):
        await long
    await last
    assert order == ["ended", "last"]


async def test_stop_waits_for_the_calls_made_so_far():
    thread, ran = LedgerThread(), list[int]()
    for number in range(10):
        thread.call(lambda number=number: ran.append(number))
    thread.stop()
    assert ran == list(range(10))


def test_an_answer_that_comes_after_the_loop_has_gone_harms_nobody(thread):
    go_on = threading.Event()

    async def give_up() -> None:
        thread.call(go_on.wait)

    asyncio.run(give_up())
    go_on.set()

    async def go_on_with() -> str:
        return await thread.call(lambda: "on")

    assert asyncio.run(go_on_with()) == "on"
