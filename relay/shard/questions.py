"""What is asked of the ledger between two commits, so that nothing changes while it is answered."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from relay.errors import LedgerError, LedgerLost, Unavailable
from relay.shard.ports import Log

T = TypeVar("T")

AT_ONCE = 16  # before what waits to be recorded has its turn: at a start every endpoint asks what it is owed


class _Question(NamedTuple):
    call: Callable[[], Awaitable[Any]]
    answer: asyncio.Future[Any]


class Questions:
    """Those that wait. `asked`: called with each that comes."""

    def __init__(self, *, asked: Callable[[], None], log: Log) -> None:
        self._asked = asked
        self._log = log
        self._waiting: deque[_Question] = deque()
        self._readable = True

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` answers, in its turn. Raises what it raises, or Unavailable."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(call, answer))
        self._asked()
        return await answer

    async def answer(self) -> bool:
        """Answer some; whether others are still waiting. Raises LedgerLost."""
        for _ in range(min(len(self._waiting), AT_ONCE)):
            question = self._waiting[0]
            if not question.answer.done():  # else the caller has gone
                await self._answer(question)
            self._waiting.popleft()
        return bool(self._waiting)

    async def _answer(self, question: _Question) -> None:
        try:
            result = await question.call()
        except LedgerLost:
            raise
        except LedgerError as error:
            reply(question.answer, error=error)
            self._note(error)
        else:
            reply(question.answer, result=result)
            self._note()

    def _note(self, error: LedgerError | None = None) -> None:
        """Say once that the ledger cannot be read, however many endpoints ask it again and again."""
        readable, self._readable = self._readable, error is None
        if readable and not self._readable:
            self._log.warning("ledger.unreadable", error=str(error))
        elif self._readable and not readable:
            self._log.info("ledger.readable")

    def refuse(self, refusal: Unavailable) -> None:
        """All that wait."""
        while self._waiting:
            reply(self._waiting.popleft().answer, error=refusal)


def reply(answer: asyncio.Future[Any], *, result: object = None, error: Exception | None = None) -> None:
    """To whoever waits for this, if they still do."""
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
