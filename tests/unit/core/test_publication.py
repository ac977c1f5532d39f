from dataclasses import replace

import pytest

from relay.core.delivery import DeliveryState, Subscription, owe
from relay.core.events import event_id, render
from relay.core.job import EventType, TrackRequest
from relay.core.observe import Rules, observe, record, track
from relay.core.publication import publish
from relay.core.sighting import sight

NOW = 1_750_000_000.0
BUS = Subscription(sink="bus", types=frozenset(EventType), in_ledger=True)


def job_with_events(*statuses):
    job = track(TrackRequest(account="acme", id="V3-1"), NOW)
    for number, status in enumerate(statuses):
        seen = {"id": "V3-1", "status": status, "progress": number}
        job = record(observe(job, sight(seen), NOW + 10 * number, Rules()), number + 1)
    return job


def published(job, subscription=BUS, **options):
    return publish(owe(job, None, subscription, NOW), job, subscription, source="urn:a", now=NOW + 60, **options)


def test_what_is_owed_is_published_as_everybody_gets_it_and_the_row_says_so():
    job = job_with_events("working")
    row, (message,) = published(job)
    assert (message.sink, message.event) == ("bus", render(job, job.events[0], "urn:a"))
    assert (row.state, row.sequence, row.settled_at, row.attempts) == (DeliveryState.DELIVERED, 1, NOW + 60, 1)


def test_several_events_that_are_owed_go_in_their_order():
    row, messages = published(job_with_events("working", "working"))
    assert [message.event.sequence for message in messages] == ["0000000001", "0000000002"]
    assert (row.state, row.sequence) == (DeliveryState.DELIVERED, 2)


def test_nothing_goes_after_the_terminal_event_which_goes_before_all_that_is_still_owed():
    row, (message,) = published(job_with_events("working", "completed"))
    assert message.event.type == EventType.COMPLETED
    assert (row.state, row.sequence) == (DeliveryState.DELIVERED, 2)


@pytest.mark.parametrize("index", [0, 1])
def test_what_is_withheld_stays_owed_with_all_that_follows(index):
    job = job_with_events("working", "working")
    row, messages = published(job, withheld={event_id(job, job.events[index])})
    assert len(messages) == index
    assert (row.state, row.sequence, row.attempts) == (DeliveryState.PENDING, index + 1, 0)


def test_a_row_that_owes_nothing_stays_as_it_is():
    job = job_with_events("working")
    row = owe(job, None, BUS, NOW)
    unwanted = replace(BUS, types=frozenset({EventType.FAILED}))
    assert publish(row, job, unwanted, source="urn:a", now=NOW) == (row, [])
