import asyncio
import inspect
import signal
import sys

import pytest

from relay.app import process


@pytest.fixture(autouse=True)
def _signals():
    """The handlers as they were, afterwards."""
    before = [(number, signal.getsignal(number)) for number in process.STOP_SIGNALS]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_an_event_and_nothing_else(number):
    async def command():
        stop = process.stop_signal()
        signal.raise_signal(number)
        async with asyncio.timeout(5):
            await stop.wait()
        return "drained"

    assert process.run(command()) == "drained"


def test_commands_run_on_uvloop_where_it_installs():
    uvloop = pytest.importorskip("uvloop")

    async def command():
        return type(asyncio.get_running_loop())

    assert process.run(command()) is uvloop.Loop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_has_waited_is_heard(number):
    async def command():
        stop = process.stop_signal()
        async with asyncio.timeout(5):
            await stop.wait()
        return "drained"

    signal.pthread_sigmask(signal.SIG_BLOCK, process.STOP_SIGNALS)
    signal.raise_signal(number)
    assert process.run(command()) == "drained"
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(process.STOP_SIGNALS)


def test_a_command_that_does_not_begin_leaves_nothing_behind(monkeypatch):
    command = asyncio.sleep(0)
    monkeypatch.setattr(process, "_loop_factory", lambda: sys.exit(0))
    with pytest.raises(SystemExit):
        process.run(command)
    assert inspect.getcoroutinestate(command) == inspect.CORO_CLOSED


def test_a_signal_after_the_end_is_ignored():
    assert process.run_until_signal(asyncio.sleep(0, "done")) == "done"
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)


async def test_what_takes_for_ever_ends_when_it_is_time_to_stop():
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    async with process.until(stop):
        await asyncio.Event().wait()
    assert asyncio.current_task().cancelling() == 0


async def test_who_is_cancelled_by_others_is_cancelled():
    async def wait():
        async with process.until(asyncio.Event()):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ends_by_itself_is_not_disturbed():
    stop = asyncio.Event()
    async with process.until(stop):
        pass
    stop.set()
    await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0
