"""What a ledger publishes itself, with what it records: the events of a sink that is `in_ledger`."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from relay.core.delivery import Delivery, DeliveryState, Subscription, delivered, owed
from relay.core.events import event_id, render
from relay.core.job import Job
from relay.core.record import Message


class Publication(NamedTuple):
    """The row as it is once these messages are recorded with it."""

    delivery: Delivery
    messages: Sequence[Message]


def publish(
    delivery: Delivery,
    job: Job,
    subscription: Subscription,
    *,
    source: str,
    now: float,
    withheld: Collection[str] = (),
) -> Publication:
    """All that the row owes by now. `withheld`: ids of events that cannot be; they stay owed, and so does what follows.

    `source`: see `events.source_of`.
    """
    messages: list[Message] = []
    while delivery.state is DeliveryState.PENDING:
        event = owed(delivery, job, subscription)
        if event is None or (withheld and event_id(job, event) in withheld):
            break
        messages.append(Message(sink=subscription.sink, event=render(job, event, source)))
        delivery = delivered(delivery, event.sequence, job, subscription, now)
    return Publication(delivery, messages)
