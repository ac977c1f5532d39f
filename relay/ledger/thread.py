"""The thread on which all statements run.

A `ThreadPoolExecutor` of one thread does the same, but its two futures, semaphore and condition double the price of a
call, which many commits share, but a lone one does not.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from relay.errors import LedgerError

T = TypeVar("T")


class Ending(LedgerError):  # noqa: N818 - says what it is
    """The thread is about to end, and whatever gives way to others is to end before it."""


class _Call(NamedTuple):
    function: Callable[[], Any]
    answer: asyncio.Future[Any]


class LedgerThread:
    """Runs one call after another, in the order in which they were made.

    A call whose caller gives up while it runs runs on; one that has not begun is dropped.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._ending = False
        # A process that ends without `stop` must not wait for it
        self._thread = Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """What `function` returns or raises. To be called from an event loop, which gets the answer."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put(_Call(function, answer))
        return answer

    def last(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """As `call`, after which there is only `stop`: it never runs within another call that gives way."""
        self._ending = True
        return self.call(function)

    def give_way(self) -> None:
        """Run the calls that wait. To be called on the thread, now and then, by a call that takes long.

        Raises Ending.
        """
        for _ in range(self._calls.qsize()):
            if self._ending:  # set before the last call was made, which may be among these
                break
            call = self._calls.get()
            if call is not None and not call.answer.cancelled():
                _perform(call)
        if self._ending:
            raise Ending("it is being closed")

    def stop(self) -> None:
        """Returns when the calls made so far are done."""
        self._ending = True
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            if not call.answer.cancelled():
                _perform(call)


def _perform(call: _Call) -> None:
    result, error = None, None
    try:
        result = call.function()
    except BaseException as raised:  # noqa: BLE001 - whatever it is, it is the caller's
        error = raised
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        call.answer.get_loop().call_soon_threadsafe(_answer, call.answer, result, error)


def _answer(answer: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if answer.cancelled():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
