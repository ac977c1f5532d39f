"""How a command runs: on the fastest event loop there is, and until a signal where it would run forever."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
Loop = asyncio.AbstractEventLoop

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(command: Coroutine[Any, Any, Result]) -> Result:
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(command)
    finally:
        command.close()  # it may not have begun


def run_until_signal(command: Coroutine[Any, Any, Result]) -> Result:
    """As `run`, for a command that awaits `stop_signal`, and is the last that the process does.

    Whoever sends the signal twice does not spoil the exit code: the second may come when the loop is closed already.
    """
    try:
        return run(command)
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT, which from now on do nothing else."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        on_signal(number, stop.set)
    return stop


def on_signal(number: signal.Signals, call: Callable[[], object]) -> None:
    """What to do at each such signal from now on, and at one that has waited while the command was being loaded."""
    asyncio.get_running_loop().add_signal_handler(number, call)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


@asynccontextmanager
async def until(stop: asyncio.Event) -> AsyncIterator[None]:
    """What is done in here is cancelled when it is time to stop, and left without a word."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - there is always one
    stopped = asyncio.create_task(stop.wait())
    stopped.add_done_callback(lambda watch: watch.cancelled() or task.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if not stop.is_set() or task.uncancel() > 0:
            raise
    finally:
        stopped.cancel()


def _loop_factory() -> Callable[[], Loop]:
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - it does not install everywhere, and only this needs it
    except ImportError:
        return asyncio.new_event_loop
    return new_event_loop
