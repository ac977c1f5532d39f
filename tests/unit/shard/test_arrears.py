"""What is decided about an event that is still to be published, on a draft and without a ledger."""

from dataclasses import replace

import pytest
from msgspec import structs
from sim.owing import ended_job, rows_of

from relay.core.delivery import Attempt, DeliveryState, Schedule, Subscription
from relay.core.events import event_id
from relay.core.job import EventType
from relay.errors import NotPublishable, Reason
from relay.shard.arrears import AGAIN_AFTER_SECONDS, Publish
from relay.shard.claims import Claims, Underway
from relay.shard.draft import Draft, Found, Memory
from relay.shard.live import Live
from relay.shard.publications import Publications
from relay.shard.subscriptions import Subscriptions

NOW = 1_750_000_000.0
BUS = Subscription(sink="bus", in_ledger=True)
JOB = ended_job(0, NOW)
(ROW,) = rows_of(JOB, [BUS], NOW)
AWAY = NotPublishable("no broker", Reason.TIMEOUT)
TOO_LARGE = NotPublishable("2 MiB", Reason.REFUSED, {event_id(JOB, JOB.events[0])})


def draft(refusal=None):
    memory = Memory(
        live=Live(),
        claims=Claims(),
        subscriptions=Subscriptions([BUS]),
        publications=Publications(source=str, metrics=None, log=None),
    )
    return Draft(memory=memory, found=Found(), position=1, now=NOW + 9, refusal=refusal)


def publish(row=ROW, subscription=BUS):
    return Publish(
        underway=Underway(delivery=row, job=JOB),
        subscription=subscription,
        schedule=Schedule(retry_seconds=(0.0, 60.0)),
        jitter=0.0,
        probe=False,
    )


def test_message_and_row_are_recorded_together():
    on = draft()
    assert publish().decide(on) == Attempt()
    batch = on.finish()
    assert [(message.sink, message.event.subject) for message in batch.messages] == [("bus", JOB.id)]
    assert [row.state for row in batch.deliveries] == [DeliveryState.DELIVERED]


def test_where_nothing_can_be_published_the_row_stays_as_it_is_and_the_endpoint_is_left_alone_for_a_while():
    on = draft(AWAY)
    attempt = publish().decide(on)
    assert (attempt.reason, attempt.retry_after_seconds) == (Reason.UNAVAILABLE, AGAIN_AFTER_SECONDS)
    assert attempt.detail == "timeout: no broker"
    batch = on.finish()
    assert (batch.messages, batch.deliveries) == ((), ())


def test_what_is_too_large_uses_up_an_attempt():
    on = draft(TOO_LARGE)
    assert publish().decide(on) == Attempt(reason=Reason.REFUSED, detail="2 MiB")
    (row,) = on.finish().deliveries
    assert (row.state, row.attempts, row.due_at, row.error) == (
        DeliveryState.PENDING,
        1,
        NOW + 9 + 60.0,
        "refused: 2 MiB",
    )


def test_a_row_whose_event_nobody_wants_any_more_is_closed():
    on = draft()
    assert publish(subscription=replace(BUS, types=frozenset({EventType.FAILED}))).decide(on) is None
    (row,) = on.finish().deliveries
    assert (row.state, row.error) == (DeliveryState.DELIVERED, "no longer subscribed")


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
def test_a_row_that_is_settled_already_owes_nothing(state):
    on = draft()
    assert publish(structs.replace(ROW, state=state)).decide(on) is None
    assert on.finish().messages == ()
