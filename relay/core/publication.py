"""What a ledger publishes itself, with what it records: the events of a sink that is `in_ledger`."""

from collections.abc import Collection, Sequence

from relay.core.delivery import PENDING, Delivery, Subscription, delivered, owed
from relay.core.events import event_id, render
from relay.core.job import Job
from relay.core.record import Message


def publish(
    delivery: Delivery,
    job: Job,
    subscription: Subscription,
    *,
    source: str,
    now: float,
    withheld: Collection[str] = (),
) -> tuple[Delivery, Sequence[Message]]:
    """The row as it is once these messages are recorded with it, and the messages: all that it owes by now.

    `withheld`: ids of events that cannot be published; they stay owed, and so does what follows.
    `source`: see `events.source_of`.
    """
    messages: list[Message] = []
    while delivery.state is PENDING:
        event = owed(delivery, job, subscription)
        if event is None or (withheld and event_id(job, event) in withheld):
            break
        messages.append(Message(sink=subscription.sink, event=render(job, event, source)))
        delivery = delivered(delivery, event.sequence, job, subscription, now)
    return delivery, messages
