import asyncio

import pytest
from sim import virtual

from relay.errors import Reason, Unavailable
from relay.intake.insisting import Insisting, Stopped
from relay.kafka.failures import KafkaFailure


class Lines(list):
    def info(self, event, /, **fields):
        self.append(event)

    warning = error = info


class Thing:
    """Fails with these, one after another, before it succeeds. `waits`: how often was waited for it."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.lines = Lines()
        self.waits = 0
        self.insisting = Insisting(log=self.lines, waiting=self._waited)

    def _waited(self):
        self.waits += 1

    async def do(self):
        if self.failures:
            raise self.failures.pop(0)
        return "done"

    async def done(self):
        began = asyncio.get_running_loop().time()
        answer = await self.insisting.until_done(self.do)
        return answer, asyncio.get_running_loop().time() - began


def unavailable(reason=Reason.LEDGER_UNAVAILABLE, seconds=1.0):
    return Unavailable(reason, "no", seconds)


def test_what_succeeds_is_done_at_once():
    thing = Thing()
    assert virtual.run(thing.done()) == ("done", 0)
    assert (thing.waits, thing.lines) == (0, [])


def test_what_is_full_is_asked_again_when_it_says_and_nobody_is_told():
    thing = Thing(unavailable(Reason.OVERLOADED, 1.0), unavailable(seconds=60.0))
    assert virtual.run(thing.done()) == ("done", 1.0 + 5.0)
    assert (thing.waits, thing.lines) == (2, [])


def test_what_a_person_has_to_set_right_is_told_once_and_that_it_goes_on():
    thing = Thing(*[KafkaFailure(Reason.NOT_FOUND, "dead")] * 3)
    assert virtual.run(thing.done())[0] == "done"
    assert thing.lines == ["intake.held_up", "intake.goes_on"]


def test_a_broker_that_is_away_is_told_of_by_others():
    thing = Thing(KafkaFailure(Reason.CONNECT, "refused"))
    assert virtual.run(thing.done())[0] == "done"
    assert thing.lines == []


def test_what_is_no_outage_is_not_insisted_on():
    with pytest.raises(ZeroDivisionError):
        virtual.run(Thing(ZeroDivisionError()).done())


def test_to_stop_ends_the_waiting_at_once():
    async def stopped():
        thing = Thing(*[unavailable(seconds=5.0)] * 100)
        doing = asyncio.create_task(thing.done())
        await asyncio.sleep(7)
        thing.insisting.stop()
        with pytest.raises(Stopped):
            await doing
        assert asyncio.get_running_loop().time() == 7
        with pytest.raises(Stopped):
            await thing.done()

    virtual.run(stopped())
