"""What is decided about deliveries, on a draft and without a ledger."""

import pytest
from msgspec.structs import replace
from sim.owing import ended_job, rows_of

from relay.core.callbacks import sink_of
from relay.core.delivery import Attempt, DeliveryState, Schedule, Subscription
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkState
from relay.core.standstill import Standstill, decode
from relay.errors import Reason
from relay.shard.claims import Claims, Underway
from relay.shard.draft import Draft, Found, Memory
from relay.shard.live import Live
from relay.shard.publications import Publications
from relay.shard.settling import Change, Overage, Recover, Recovered, Retry, Settle, Together
from relay.shard.subscriptions import Subscriptions

NOW = 1_750_000_000.0
PUBLICATIONS = Publications(source=str, metrics=None, log=None)
URL = "https://hooks.example/a"
ORDERS = Subscription(sink="orders")
GONE = Attempt(reason=Reason.GONE, detail="410")


def draft_on(deliveries=None, *, claims=None, now=NOW + 1):
    memory = Memory(
        live=Live(), claims=claims or Claims(), subscriptions=Subscriptions([ORDERS]), publications=PUBLICATIONS
    )
    return Draft(memory=memory, found=Found(deliveries=deliveries or {}), position=1, now=now)


def owed(callbacks=()):
    job = ended_job(0, NOW, callbacks=callbacks)
    return job, rows_of(job, [ORDERS], NOW)


def settle(underway, attempt=Attempt(), subscription=ORDERS):  # noqa: B008 - immutable
    return Settle(
        underway=underway,
        attempted_sequence=1,
        attempt=attempt,
        subscription=subscription,
        schedule=Schedule(),
        jitter=0.0,
        probe=False,
    )


class TestSettle:
    def test_the_row_is_settled(self):
        job, (row,) = owed()
        draft = draft_on()
        settle(Underway(delivery=row, job=job)).decide(draft)
        assert draft.finish().deliveries == (
            replace(row, state=DeliveryState.DELIVERED, attempts=1, settled_at=draft.now),
        )
        assert not draft.finish().marks

    def test_a_410_and_that_the_sink_is_disabled_become_durable_together(self):
        job, (row,) = owed()
        draft = draft_on()
        settle(Underway(delivery=row, job=job), GONE).decide(draft)
        assert draft.finish().deliveries == (replace(row, due_at=draft.now, error="gone: 410"),)
        expected = Standstill(state=SinkState.DISABLED, since=draft.now, error="gone: 410")
        assert decode(draft.finish().marks["sink/orders"]) == expected

    def test_a_410_of_a_callback_disables_nothing(self):
        job, (_, row) = owed([URL])
        draft = draft_on()
        settle(Underway(delivery=row, job=job), GONE, Subscription(sink=row.sink, resumable=False)).decide(draft)
        assert draft.finish().deliveries[0].state is DeliveryState.DEAD
        assert not draft.finish().marks


def test_what_ended_together_is_decided_together():
    job, (row, callback) = owed([URL])
    draft = draft_on()
    together = Together(intents=[settle(Underway(delivery=one, job=job)) for one in (row, callback)])
    together.decide(draft)
    assert together.weight == len(draft.finish().deliveries) == 2


@pytest.mark.parametrize("changed", [True, False])
def test_a_change_is_what_its_rule_makes_of_the_row_as_this_batch_leaves_it(changed):
    job, (row,) = owed()
    newer = replace(row, attempts=5)
    draft = draft_on()
    draft.put_delivery(newer)
    Change(
        underway=Underway(delivery=row, job=job),
        rule=lambda delivery, _, now: replace(delivery, due_at=now) if changed else None,
    ).decide(draft)
    assert draft.finish().deliveries == (replace(newer, due_at=draft.now) if changed else newer,)


def test_what_is_too_old_is_given_up_whoever_it_is_owed_to():
    job, rows = owed([URL])
    stranger = replace(rows[0], sink="no longer configured")
    schedule = Schedule(retry_seconds=(0.0,))
    draft = draft_on(now=NOW + schedule.age_seconds_max + 1)
    underway = [Underway(delivery=row, job=job) for row in (*rows, stranger)]
    Overage(deliveries=underway, schedule=schedule).decide(draft)
    assert {row.sink: row.state for row in draft.finish().deliveries} == {
        "orders": DeliveryState.DEAD,
        sink_of(URL): DeliveryState.DEAD,
        "no longer configured": DeliveryState.DEAD,
    }


class Rows:
    """A ledger that holds these deliveries."""

    def __init__(self, *rows):
        self.rows = rows
        self.asked = []

    async def delivery(self, key):
        return next((row for row in self.rows if row[0].key == key), None)

    async def deliveries(self, *question):
        self.asked.append(question)
        return self.rows[: question[2]]


class TestRetry:
    async def revived(self, revival, ledger, claims=None):
        draft = draft_on({revival: await revival.read(ledger)}, claims=claims)
        return revival.decide(draft), draft

    async def test_a_dead_delivery_is_owed_again(self):
        job, (row,) = owed()
        dead = replace(row, state=DeliveryState.DEAD, attempts=10, settled_at=NOW, error="500")
        answer, draft = await self.revived(Retry(key=row.key), Rows((dead, job)))
        assert answer is True
        assert draft.finish().deliveries == (replace(row, since=draft.now, due_at=draft.now),)
        assert draft.finish().jobs == (job,), "or the ledger may have forgotten it by then"

    async def test_there_may_be_none(self):
        _, (row,) = owed()
        answer, draft = await self.revived(Retry(key=row.key), Rows())
        assert answer is False
        assert not draft.finish().deliveries

    async def test_of_a_delivery_in_hand_the_newest_row_counts(self):
        job, (row,) = owed()
        claims = Claims()
        claims.take([(replace(row, attempts=3), job)])
        _, draft = await self.revived(Retry(key=row.key), Rows((row, job)), claims)
        assert draft.finish().deliveries[0].attempts == 3

    async def test_a_page_tells_where_to_go_on(self):
        job, rows = owed([URL])
        dead = [(replace(row, state=DeliveryState.DEAD, settled_at=NOW), job) for row in rows]
        wanted = DeliveryFilter(state=DeliveryState.DEAD)
        full = Recover(wanted=wanted, after=None, limit=2)
        ledger = Rows(*dead)
        assert (await self.revived(full, ledger))[0] == Recovered(2, dead[-1][0].key)
        last = Recover(wanted=wanted, after=dead[-1][0].key, limit=3)
        assert (await self.revived(last, ledger))[0] == Recovered(2, None)
        assert ledger.asked == [(wanted, None, 2), (wanted, dead[-1][0].key, 3)]

    async def test_what_nobody_knows_the_sink_of_is_left_alone(self):
        job, (row,) = owed()
        stranger = replace(row, sink="no longer configured", state=DeliveryState.DEAD, settled_at=NOW)
        answer, draft = await self.revived(Retry(key=stranger.key), Rows((stranger, job)))
        assert answer is False
        assert not draft.finish().deliveries
