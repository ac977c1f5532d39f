"""What may be asked of the writer about an event that a sink which is `in_ledger` is still owed: to publish it now."""

from relay.core.delivery import Attempt, Delivery, DeliveryState, Schedule, Subscription, owe, owed, settle
from relay.core.job import Event, Job
from relay.core.value import value
from relay.errors import NotPublishable, Reason
from relay.shard.claims import Underway
from relay.shard.draft import Draft

AGAIN_AFTER_SECONDS = 1.0


@value(frozen=True, slots=True, kw_only=True)
class Publish:
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
        return self._refused(draft, row, job, event, draft.refusal)

    def _refused(self, draft: Draft, row: Delivery, job: Job, event: Event, refusal: NotPublishable) -> Attempt:
        """What a topic does not take is for a person to see to, in the time that there is for any delivery."""
        if not refusal.too_large:
            detail = f"{refusal.reason}: {refusal}"
            return Attempt(reason=Reason.UNAVAILABLE, detail=detail, retry_after_seconds=AGAIN_AFTER_SECONDS)
        attempt = Attempt(reason=refusal.reason, detail=str(refusal))
        row = settle(
            row,
            attempt,
            attempted_sequence=event.sequence,
            job=job,
            subscription=self.subscription,
            now=draft.now,
            schedule=self.schedule,
            jitter=self.jitter,
            probe=self.probe,
        )
        draft.put_delivery(row)
        return attempt
