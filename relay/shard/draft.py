"""One batch in the making: committed state with its changes laid over, for intents to decide on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from relay.core.callbacks import find, is_callback, subscription_of
from relay.core.delivery import PENDING, Delivery, DeliveryKey, Subscription, owe, wants
from relay.core.job import Event, Incarnation, Job, JobKey
from relay.core.observe import record
from relay.core.publication import publish
from relay.core.record import Batch, Message
from relay.errors import NotPublishable
from relay.shard.claims import Claims
from relay.shard.live import Live
from relay.shard.publications import Publications
from relay.shard.subscriptions import Subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is committed and in memory: live jobs with their deliveries, and the deliveries in hand."""

    live: Live
    claims: Claims
    subscriptions: Subscriptions
    publications: Publications

    def subscription(self, delivery: Delivery, job: Job) -> Subscription | None:
        """What the receiver of this delivery wants to hear; None: nobody knows the sink (any more)."""
        callback = find(job, delivery.sink) if is_callback(delivery.sink) else None
        if callback is not None:
            return subscription_of(callback)
        return self.subscriptions.of_sink(delivery.sink)

    def delivery(self, key: DeliveryKey) -> Delivery | None:
        claimed = self.claims.delivery(key)
        if claimed is not None:
            return claimed
        watch = self.live.find(key.account, key.job_id)
        if watch is None or watch.job.tracked_at != key.tracked_at:
            return None
        return watch.deliveries.get(key.sink)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was read from the ledger for this batch. `jobs`: the newest rows of those that are not live, as far as is
    known by now. `deliveries`: with their jobs, for each intent that reads them.
    """

    jobs: Mapping[JobKey, Job] = field(default_factory=dict)
    deliveries: Mapping[object, Sequence[tuple[Delivery, Job]]] = field(default_factory=dict)


class Draft:
    """`position`: of the newest event, those of this batch included once it is finished.

    `refusal`: why messages of this batch have not been published.
    """

    def __init__(
        self, *, memory: Memory, found: Found, position: int, now: float, refusal: NotPublishable | None = None
    ) -> None:
        self.refusal = refusal
        self.now = now
        self.position = position
        self.found = found
        self.jobs: dict[Incarnation, Job] = {}
        self.deliveries: dict[DeliveryKey, Delivery] = {}
        self.marks: dict[str, bytes | None] = {}
        self.messages: list[Message] = []
        self.message_bytes = 0  # of their data
        self._memory = memory
        # By what equals a JobKey, and is made at less cost.
        self._newest = {(key.account, key.id): job for key, job in found.jobs.items()}
        self._unknown: list[JobKey] = []
        self._moved: set[Incarnation] = set()  # have got events

    def finish(self) -> Batch:
        """All changes. New events get their positions now, in the order of the rows.

        So whoever follows the ledger row by row hears of them in their order, wherever in a batch it has to wait.
        """
        events = [one for key in self.jobs if key in self._moved for one in self._place(key)]
        return Batch(
            jobs=tuple(self.jobs.values()),
            events=tuple(events),
            deliveries=tuple(self.deliveries.values()),
            unknown=tuple(self._unknown),
            marks=self.marks,
            messages=tuple(self.messages),
        )

    def _place(self, key: Incarnation) -> Iterable[tuple[Job, Event]]:
        job = self.jobs[key] = record(self.jobs[key], self.position + 1)
        new = [(job, event) for event in job.events if event.position > self.position]
        self.position += len(new)
        return new

    def newest(self, key: JobKey) -> Job | None:
        """The newest incarnation, however it stands; None: nobody knows the job, which the commit makes sure of."""
        changed = self._newest.get(key)
        if changed is not None:
            return changed
        watch = self._memory.live.get(key)
        if watch is None:
            self._unknown.append(key)
            return None
        return watch.job

    def job(self, otherwise: Job) -> Job:
        """This incarnation as this batch leaves it; `otherwise`: as it is committed."""
        return self.jobs.get(otherwise.incarnation, otherwise)

    def in_hand(self, claimed: Delivery) -> Delivery:
        """This delivery as this batch leaves it; `claimed`: as it is committed."""
        return self.deliveries.get(claimed.key, claimed)

    def delivery(self, read: Delivery) -> Delivery:
        """This delivery as this batch leaves it; `read`: as the ledger holds it."""
        return self.deliveries.get(read.key) or self._memory.delivery(read.key) or read

    def subscription(self, delivery: Delivery, job: Job) -> Subscription | None:
        """See Memory."""
        return self._memory.subscription(delivery, job)

    def put(self, job: Job) -> None:
        """A job that is new or has no new event."""
        self.jobs[job.incarnation] = job
        self._newest[job.account, job.id] = job

    def keep(self, job: Job) -> None:
        """As it is: its row is there for what refers to it, should the ledger be about to forget it."""
        self.jobs.setdefault(job.incarnation, job)

    def put_event(self, job: Job) -> None:
        """A job that has got a new event: it is owed to every sink and every callback that wants it."""
        self.put(job)
        self._moved.add(job.incarnation)
        for subscription in (*self._memory.subscriptions.concerning(job.account), *map(subscription_of, job.callbacks)):
            if wants(subscription, job, job.events[-1]):  # one that it does not want changes nothing for it
                self.owe(job, subscription)

    def owe(self, job: Job, subscription: Subscription) -> None:
        """What this sink is to get of the job's events by now, one of which may be new to it."""
        key = DeliveryKey(job.tracked_at, job.account, job.id, subscription.sink)
        before = self.deliveries.get(key) or self._memory.delivery(key)
        after = owe(job, before, subscription, self.now)
        first = before is None or before.state is not PENDING
        if after is not None and first and subscription.in_ledger and self._memory.publications.may(subscription.sink):
            after = self.published(after, job, subscription)
        if after is not None:  # as `put_delivery`, whose key is at hand
            self.deliveries[key] = after

    def published(self, row: Delivery, job: Job, subscription: Subscription) -> Delivery:
        """The row, once what it owes is among the messages; as it is, where that cannot be published."""
        if self.refusal is not None and not self.refusal.too_large:
            return row
        after, messages = publish(
            row,
            job,
            subscription,
            source=self._memory.publications.source(job.account),
            now=self.now,
            withheld=() if self.refusal is None else self.refusal.too_large,
        )
        for message in messages:
            self.messages.append(message)
            self.message_bytes += len(message.event.data)
        return after

    def put_delivery(self, row: Delivery | None) -> None:
        """None: it stays as it is."""
        if row is not None:
            self.deliveries[row.key] = row
