"""One attempt to deliver: what is sent, to whom, and what is to be recorded of it."""

from collections.abc import Callable, Iterable
from functools import partial

from relay.core.delivery import Attempt, Delivery, Subscription, give_up, owe, owed
from relay.core.events import render
from relay.core.job import Job
from relay.shard.claims import Prepared, Underway
from relay.shard.ports import Sink, Surroundings
from relay.shard.routes import Recipient, Route
from relay.shard.settling import Change, Settle
from relay.shard.suspension import Suspension

PREPARED_SECONDS_MAX = 1.0  # then it is signed once more, and from where its account is by now
NOT_ALLOWED = "the configuration does not allow this callback_url (any more)"


class Delivering:
    """`source`: by account, the CloudEvents source of its events."""

    def __init__(
        self, *, route: Route, source: Callable[[str], str], suspension: Suspension, surroundings: Surroundings
    ) -> None:
        self._route = route
        self._source = source
        self._suspension = suspension
        self._around = surroundings

    def prepare(self, ahead: Iterable[Underway]) -> None:
        """What will be sent next. One after the other takes half the time that it takes between requests."""
        if not self._route.lasting:  # the sink of a callback is made anew for each attempt
            return
        for underway in ahead:
            if underway.prepared is None:
                recipient = self._route.recipient(underway.delivery, underway.job)
                underway.prepared = self._prepared(underway, recipient)

    async def attempt(self, underway: Underway, *, probe: bool) -> Settle | Change | None:
        """Send what is owed, once; what is to be recorded of it. A Change: there was nothing to be sent.

        None: it was cut short, and nothing is recorded of it.
        """
        recipient = self._route.recipient(underway.delivery, underway.job)
        if recipient.sink is None:
            return Change(underway=underway, rule=partial(_not_allowed, subscription=recipient.subscription))
        prepared, underway.prepared = underway.prepared, None
        if prepared is None or self._around.clock.monotonic() - prepared.at > PREPARED_SECONDS_MAX:
            prepared = self._prepared(underway, recipient)
        if prepared is None:  # the subscription was changed while it waited
            return Change(underway=underway, rule=partial(_not_wanted, subscription=recipient.subscription))
        attempt = await self._send(recipient.sink, prepared)
        if attempt is None:
            return None
        return Settle(
            underway=underway,
            attempted_sequence=prepared.event.sequence,
            attempt=attempt,
            subscription=recipient.subscription,
            schedule=self._route.schedule,
            jitter=self._around.random.random(),
            probe=probe,
        )

    def _prepared(self, underway: Underway, recipient: Recipient) -> Prepared | None:
        """None: nothing is owed to it."""
        job, event = underway.job, owed(underway.delivery, underway.job, recipient.subscription)
        if event is None or recipient.sink is None:
            return None
        message = render(job, event, self._source(job.account), recipient.callback)
        return Prepared(event, recipient.sink.prepare(message), self._around.clock.monotonic())

    async def _send(self, sink: Sink, prepared: Prepared) -> Attempt | None:
        began = self._around.clock.monotonic()
        attempt = await self._suspension.unless(partial(sink.send, prepared.message))
        if attempt is not None:
            seconds = self._around.clock.monotonic() - began
            self._around.metrics.delivery(self._route.label, attempt.reason or "delivered", seconds)
        return attempt


def _not_allowed(delivery: Delivery, job: Job, now: float, *, subscription: Subscription) -> Delivery:
    return give_up(delivery, job, subscription, NOT_ALLOWED, now)


def _not_wanted(delivery: Delivery, job: Job, now: float, *, subscription: Subscription) -> Delivery | None:
    return owe(job, delivery, subscription, now)
