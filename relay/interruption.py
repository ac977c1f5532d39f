"""Calls that may be cut short where they wait.

`asyncio.timeout` does that, but sets up an object and a timer for each call, which is a good part of the price of a
request on a warm connection. Here an entry in a dict is all, so that there may be thousands a second.
"""

import asyncio
import errno
import math
from types import TracebackType

Task = asyncio.Task[object]


class Interrupted(Exception):  # noqa: N818 - says what it is
    """Nobody knows how far the call has come."""


class Interruptible:
    """A context for calls, each in a task of its own. What is cut short leaves it with Interrupted.

    `seconds`: for each of them; what takes longer leaves it with TimeoutError. As all have the same time, the first to
    begin is the first to be late, and one timer does for all.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._underway: dict[Task, tuple[float, int]] = {}  # when its time is over; how often it had been cancelled
        self._errors: dict[Task, Exception] = {}  # of those that are cut short
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        if self._loop is None:  # to ask for it each time would take longer than all the rest
            self._loop = asyncio.get_running_loop()
        task, due_at = _current(self._loop), self._loop.time() + self._seconds
        self._underway[task] = due_at, task.cancelling()
        if self._timer is None and due_at < math.inf:
            self._timer = self._loop.call_at(due_at, self._look, self._loop)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        task = _current(self._loop)
        before = self._underway.pop(task)[1]
        if not self._underway and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._errors:
            return
        error = self._errors.pop(task, None)
        # If somebody else wants the task to end, too, it ends.
        if error is not None and task.uncancel() <= before and kind is asyncio.CancelledError:
            raise error from None

    def interrupt_all(self) -> None:
        for task in self._underway:
            self._interrupt(task, Interrupted())

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for task, (due_at, _) in self._underway.items():
            if due_at > now:
                self._timer = loop.call_at(due_at, self._look, loop)
                break
            self._interrupt(task, TimeoutError(errno.ETIMEDOUT, f"after {self._seconds:g} s"))

    def _interrupt(self, task: Task, error: Exception) -> None:
        if task not in self._errors:
            self._errors[task] = error
            task.cancel()


def _current(loop: asyncio.AbstractEventLoop | None) -> Task:
    task = asyncio.current_task(loop)
    assert task is not None  # noqa: S101 - there is always one
    return task
