import asyncio
from functools import partial
from random import Random

import pytest
from sim.owing import ended_job, owe_jobs, rows_of
from sim.virtual import VirtualClock, run
from sim.world import UnreliableLedger

from relay.core.delivery import DeliveryState, Subscription, give_up
from relay.errors import LedgerError, LedgerLost, Reason, Unavailable
from relay.shard.intents import Note
from relay.shard.live import Live
from relay.shard.ports import Surroundings
from relay.shard.settling import Change, Retry, Together
from relay.shard.writer import Writer

ORDERS = Subscription(sink="orders")


class Silent:
    def __getattr__(self, _):
        return lambda *_, **__: None


class LostLedger(UnreliableLedger):
    """Somebody else has it. `fails_first`: as if it were only out of order, until it is asked once more."""

    def __init__(self, clock, *, fails_first=False):
        super().__init__(clock)
        self._fails_first = fails_first

    async def commit(self, batch):
        await self.marks()

    async def marks(self):
        await asyncio.sleep(0.002)
        if self._fails_first:
            self._fails_first = False
            raise LedgerError("no broker")
        raise LedgerLost("another owner has taken it")


def writing(scenario):
    """Plays the scenario, a coroutine function of (writer, ledger), beside a writer that runs."""

    async def main():
        clock = VirtualClock()
        ledger = UnreliableLedger(clock)
        around = Surroundings(clock=clock, random=Random(1), metrics=Silent(), log=Silent(), beat=lambda _: None)
        writer = Writer(
            recorder=ledger,
            live=Live(),
            subscriptions=[ORDERS],
            published=lambda *_: None,
            source=str,
            surroundings=around,
        )
        running = asyncio.create_task(writer.run())
        try:
            await scenario(writer, ledger)
        finally:
            writer.drain()
            await running

    run(main())


async def owe(ledger, count, now):
    jobs = [ended_job(number, now) for number in range(count)]
    await owe_jobs(ledger, jobs, [row for job in jobs for row in rows_of(job, [ORDERS], now)])


def test_what_is_asked_between_two_commits_sees_no_commit_happen():
    async def scenario(writer, ledger):
        async def slow_question():
            before = ledger.commits
            await asyncio.sleep(10.0)
            return before, ledger.commits

        asking = asyncio.create_task(writer.between(slow_question))
        await asyncio.sleep(1.0)
        notes = [asyncio.create_task(writer.submit(Note(name=str(n), value=b"x"))) for n in range(5)]
        assert await asking == (0, 0)
        await asyncio.gather(*notes)
        assert ledger.commits == 1, "they waited together"

    writing(scenario)


def test_what_a_question_raises_is_raised_to_who_asked_and_to_nobody_else():
    async def scenario(writer, ledger):
        async def question():
            raise LedgerError("no")

        with pytest.raises(LedgerError):
            await writer.between(question)
        await writer.submit(Note(name="a", value=b"x"))

    writing(scenario)


def test_claims_are_of_what_nobody_has_in_hand():
    async def scenario(writer, ledger):
        await owe(ledger, 5, VirtualClock().now())

        def read(limit):
            return ledger.due("orders", VirtualClock().now(), limit)

        first, second, third = [await writer.claim(partial(read, limit)) for limit in (2, 4, 9)]
        assert [len(claimed.rows) for claimed in (first, second, third)] == [2, 4, 5]
        assert [len(claimed.taken) for claimed in (first, second, third)] == [2, 2, 1]
        assert len({one.job.id for claimed in (first, second, third) for one in claimed.taken}) == 5
        assert writer.count_in_hand("orders") == 5
        writer.release(first.taken[0])
        assert [one.job for one in (await writer.claim(partial(read, 2))).taken] == [first.taken[0].job]

    writing(scenario)


def test_while_the_ledger_is_out_of_order_everybody_is_refused():
    async def scenario(writer, ledger):
        now = VirtualClock().monotonic()
        ledger.outages = [(now, now + 100.0)]
        with pytest.raises(Unavailable) as refusal:
            await writer.submit(Note(name="a", value=b"x"))
        assert refusal.value.reason is Reason.LEDGER_UNAVAILABLE
        with pytest.raises(Unavailable):
            await writer.between(ledger.marks)
        await asyncio.sleep(110.0)
        assert await writer.between(ledger.marks) == {}
        await writer.submit(Note(name="a", value=b"x"))
        assert await ledger.marks() == {"a": b"x"}

    writing(scenario)


def test_what_is_to_be_made_again_is_read_after_whatever_was_committed_before():
    """Or a row that was settled meanwhile would be put back to what it was."""

    async def scenario(writer, ledger):
        now = VirtualClock().now()
        await owe(ledger, 1, now)
        (row,) = rows_of(ended_job(0, now), [ORDERS], now)
        (claimed,), _ = await writer.claim(lambda: ledger.due("orders", now + 1, 1))
        close = Change(underway=claimed, rule=lambda row, job, now: give_up(row, job, ORDERS, "no", now))
        answers = await asyncio.gather(
            writer.submit(Note(name="a", value=b"x")),  # a commit of its own, while the others wait
            writer.submit(Together(intents=[close])),
            writer.submit(Retry(key=row.key)),
        )
        assert answers[2] is True
        found = await ledger.delivery(row.key)
        assert found is not None
        assert (found[0].state, found[0].error) == (DeliveryState.PENDING, None)
        assert found[0].since > row.since, "given up, and owed again after that"

    writing(scenario)


def test_a_writer_that_drains_takes_nothing_new():
    async def scenario(writer, ledger):
        writer.drain()
        for call in (writer.submit(Note(name="a", value=b"x")), writer.between(ledger.marks)):
            with pytest.raises(Unavailable) as refusal:
                await call
            assert refusal.value.reason is Reason.DRAINING

    writing(scenario)


@pytest.mark.parametrize("moment", ["at a write", "at a probe", "at a question"])
def test_when_the_ledger_is_lost_whoever_waits_is_refused_and_the_writer_ends(moment):
    async def main():
        clock = VirtualClock()
        ledger = LostLedger(clock, fails_first=moment == "at a probe")
        around = Surroundings(clock=clock, random=Random(1), metrics=Silent(), log=Silent(), beat=lambda _: None)
        writer = Writer(
            recorder=ledger, live=Live(), subscriptions=[], published=lambda *_: None, source=str, surroundings=around
        )
        running = asyncio.create_task(writer.run())
        calls = [writer.submit(Note(name=name, value=b"x")) for name in "ab"]
        if moment == "at a question":
            calls += [writer.between(ledger.marks), writer.between(ledger.marks)]
        waiting = [asyncio.create_task(call) for call in calls]
        with pytest.raises(LedgerLost):
            await running
        late = [writer.between(ledger.marks), writer.submit(Note(name="b", value=b"x"))]
        for refusal in await asyncio.gather(*waiting, *late, return_exceptions=True):
            assert isinstance(refusal, Unavailable)
            assert refusal.reason is Reason.LEDGER_UNAVAILABLE

    run(main())


def test_a_writer_that_is_cancelled_leaves_nobody_waiting():
    async def main():
        clock = VirtualClock()
        around = Surroundings(clock=clock, random=Random(1), metrics=Silent(), log=Silent(), beat=lambda _: None)
        writer = Writer(
            recorder=UnreliableLedger(clock),
            live=Live(),
            subscriptions=[],
            published=lambda *_: None,
            source=str,
            surroundings=around,
        )
        running = asyncio.create_task(writer.run())
        note = asyncio.create_task(writer.submit(Note(name="a", value=b"x")))
        await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(Unavailable):
            await note
        with pytest.raises(asyncio.CancelledError):
            await running

    run(main())
