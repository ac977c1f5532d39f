import asyncio
import signal

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


def test_a_signal_after_the_end_is_ignored():
    assert process.run_until_signal(asyncio.sleep(0, "done")) == "done"
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
