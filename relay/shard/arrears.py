"""What may be asked of the writer about an event that a sink which is `in_ledger` is still owed: to publish it now."""

from msgspec import Struct

from relay.core.delivery import Attempt, DeliveryState, Schedule, Subscription, owe, owed
from relay.core.job import Event
from relay.errors import NotPublishable, Reason
from relay.shard.claims import Underway
from relay.shard.draft import Draft
from relay.shard.settling import Settle

AGAIN_AFTER_SECONDS = 1.0


class Publish(Struct, frozen=True, kw_only=True, gc=False):
    """Publish what a delivery in hand owes. Answers with how that went; None: it owes nothing any more.

    Where nothing can be published the row stays as it is, and keeps its place among those that are due.
    """

    underway: Underway
    subscription: Subscription
    schedule: Schedule
    jitter: float
    probe: bool
    weight: int = 1

    def decide(self, draft: Draft) -> Attempt | None:
        row, job = draft.in_hand(self.underway.delivery), draft.job(self.underway.job)
        if row.state is not DeliveryState.PENDING:
            return None
        event = owed(row, job, self.subscription)
        if event is None:  # the subscription was changed while it waited
            draft.put_delivery(owe(job, row, self.subscription, draft.now))
            return None
        after = draft.published(row, job, self.subscription)
        if after is not row:
            draft.put_delivery(after)
            return Attempt()
        assert draft.refusal is not None  # noqa: S101 - or it would have been published
        return self._refused(draft, event, draft.refusal)

    def _refused(self, draft: Draft, event: Event, refusal: NotPublishable) -> Attempt:
        """What a topic does not take is for a person to see to, in the time that there is for any delivery."""
        if not refusal.too_large:
            detail = f"{refusal.reason}: {refusal}"
            return Attempt(reason=Reason.UNAVAILABLE, detail=detail, retry_after_seconds=AGAIN_AFTER_SECONDS)
        attempt = Attempt(reason=refusal.reason, detail=str(refusal))
        Settle(
            underway=self.underway,
            attempted_sequence=event.sequence,
            attempt=attempt,
            subscription=self.subscription,
            schedule=self.schedule,
            jitter=self.jitter,
            probe=self.probe,
        ).decide(draft)
        return attempt
