import asyncio

import pytest
from sim.virtual import run

from relay.errors import LedgerError, LedgerLost, Reason, Unavailable
from relay.shard.questions import AT_ONCE, Questions

REFUSAL = Unavailable(Reason.LEDGER_UNAVAILABLE, "no")


class Log:
    def __init__(self):
        self.said = []

    def warning(self, event, **_):
        self.said.append(event)

    info = debug = error = warning


def asking(questions, call, times=1):
    return [asyncio.create_task(questions.ask(call)) for _ in range(times)]


async def answered():
    return "yes"


async def unreadable():
    raise LedgerError("no")


async def lost():
    raise LedgerLost("gone")


def test_so_many_are_answered_at_once_and_the_others_next_time():
    async def main():
        questions = Questions(asked=lambda: None, log=Log())
        asked = asking(questions, answered, AT_ONCE + 1)
        await asyncio.sleep(0)
        assert await questions.answer()
        assert sum(one.done() for one in asked) in {0, AT_ONCE}
        assert not await questions.answer()
        assert await asyncio.gather(*asked) == ["yes"] * (AT_ONCE + 1)

    run(main())


def test_that_the_ledger_cannot_be_read_is_said_once_and_that_it_can_again():
    async def main():
        log = Log()
        questions = Questions(asked=lambda: None, log=log)
        asked = asking(questions, unreadable, 3) + asking(questions, answered)
        await asyncio.sleep(0)
        await questions.answer()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in told] == [LedgerError, LedgerError, LedgerError, str]
        assert log.said == ["ledger.unreadable", "ledger.readable"]

    run(main())


def test_once_the_ledger_is_lost_the_one_who_asked_and_all_others_can_be_refused():
    async def main():
        questions = Questions(asked=lambda: None, log=Log())
        asked = asking(questions, lost) + asking(questions, answered)
        await asyncio.sleep(0)
        with pytest.raises(LedgerLost):
            await questions.answer()
        questions.refuse(REFUSAL)
        assert await asyncio.gather(*asked, return_exceptions=True) == [REFUSAL, REFUSAL]

    run(main())


def test_whoever_has_gone_is_not_answered():
    async def main():
        calls = []

        async def call():
            calls.append(1)

        questions = Questions(asked=lambda: None, log=Log())
        (asked,) = asking(questions, call)
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        assert not await questions.answer()
        assert calls == []

    run(main())
