"""What may be asked of the writer about deliveries: how an attempt went, and what else becomes of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from msgspec import Struct

from relay.core.delivery import (
    Attempt,
    Delivery,
    DeliveryKey,
    Schedule,
    Subscription,
    Verdict,
    overage,
    revive,
    settle,
    verdict,
)
from relay.core.job import Job
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkState
from relay.core.standstill import Standstill, encode, mark_of
from relay.shard.claims import Underway
from relay.shard.draft import Draft


class Deliveries(Protocol):
    """The ledger, as far as it tells of deliveries."""

    async def delivery(self, key: DeliveryKey) -> tuple[Delivery, Job] | None: ...

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]: ...


class Settle(Struct, frozen=True, kw_only=True, gc=False):
    """An attempt to deliver has ended. `underway` is up to date with what was committed since it began."""

    underway: Underway
    attempted_sequence: int
    attempt: Attempt
    subscription: Subscription
    schedule: Schedule
    jitter: float
    probe: bool

    def decide(self, draft: Draft) -> None:
        row = settle(
            draft.in_hand(self.underway.delivery),
            self.attempt,
            attempted_sequence=self.attempted_sequence,
            job=draft.job(self.underway.job),
            subscription=self.subscription,
            now=draft.now,
            schedule=self.schedule,
            jitter=self.jitter,
            probe=self.probe,
        )
        draft.put_delivery(row)
        if verdict(self.attempt, resumable=self.subscription.resumable) is Verdict.HELD:
            disabled = Standstill(state=SinkState.DISABLED, since=draft.now, error=self.attempt.error)
            draft.marks[mark_of(row.endpoint)] = encode(disabled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A delivery in hand that could not be attempted. `rule`: (row, job, now) → the row, None: it stays as it is."""

    underway: Underway
    rule: Callable[[Delivery, Job, float], Delivery | None]

    def decide(self, draft: Draft) -> None:
        row, job = draft.in_hand(self.underway.delivery), draft.job(self.underway.job)
        draft.put_delivery(self.rule(row, job, draft.now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """How several attempts ended."""

    intents: Sequence[Settle | Change]

    @property
    def weight(self) -> int:
        return len(self.intents)

    def decide(self, draft: Draft) -> None:
        for intent in self.intents:
            intent.decide(draft)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overage:
    """Give up those of these deliveries, to an endpoint that stands still, that have become too old."""

    deliveries: Sequence[Underway]
    schedule: Schedule

    @property
    def weight(self) -> int:
        return len(self.deliveries)

    def decide(self, draft: Draft) -> None:
        for underway in self.deliveries:
            row, job = draft.in_hand(underway.delivery), draft.job(underway.job)
            subscription = draft.subscription(row, job) or Subscription(sink=row.sink)
            draft.put_delivery(overage(row, job, subscription, schedule=self.schedule, now=draft.now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Make this delivery again, which a person asks for. Answers whether there is one to make.

    `marks`: recorded together with it.
    """

    key: DeliveryKey
    marks: Mapping[str, bytes | None] = field(default_factory=dict, compare=False)
    weight: int = 1

    async def read(self, ledger: Deliveries) -> Sequence[tuple[Delivery, Job]]:
        found = await ledger.delivery(self.key)
        return () if found is None else (found,)

    def decide(self, draft: Draft) -> bool:
        draft.marks |= self.marks
        return bool(_revive(draft, self))


class Recovered(NamedTuple):
    """A page is done. `revived`: how many are owed again. `last`: where to go on below; None: there are no more."""

    revived: int
    last: DeliveryKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """Make a page of deliveries again, which a person asks for, those below `after`. Answers with Recovered."""

    wanted: DeliveryFilter
    after: DeliveryKey | None
    limit: int

    @property
    def weight(self) -> int:
        return self.limit

    async def read(self, ledger: Deliveries) -> Sequence[tuple[Delivery, Job]]:
        return await ledger.deliveries(self.wanted, self.after, self.limit)

    def decide(self, draft: Draft) -> Recovered:
        page = draft.found.deliveries[self]
        last = page[-1][0].key if len(page) == self.limit else None
        return Recovered(_revive(draft, self), last)


Revival = Retry | Recover
"""What these are about is read by the writer, so that nothing changes between the reading and the commit."""


def _revive(draft: Draft, revival: Revival) -> int:
    count = 0
    for row, job in draft.found.deliveries[revival]:
        subscription = draft.subscription(row, job)
        if subscription is not None:
            revived = revive(draft.delivery(row), draft.job(job), subscription, draft.now)
            if revived is not None:
                draft.keep(job)
                draft.put_delivery(revived)
                count += 1
    return count
