"""Where the deliveries of an endpoint go: to a configured sink, or to the urls that submitters name."""

from dataclasses import dataclass
from typing import Protocol

from relay.core.callbacks import CALLBACK, find, subscription_of
from relay.core.delivery import Delivery, Schedule, Subscription
from relay.core.endpoint import Endpoint
from relay.core.job import Callback, Job
from relay.shard.ports import CallbackSinks, Sink, Subscriber

CALLBACK_CONCURRENCY = 4  # per origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who gets a delivery. `sink` None: the configuration does not allow it any more. `callback`: see `render`."""

    subscription: Subscription
    sink: Sink | None
    callback: Callback | None = None


class Route(Protocol):
    """`endpoint`: its name. `label`: what metrics and people call it. `lasting`: there also while nothing is owed.

    `in_ledger`: see Subscription.
    """

    endpoint: str
    label: str
    schedule: Schedule
    concurrency: int
    lasting: bool
    in_ledger: bool

    def open(self) -> Endpoint:
        """An endpoint without a past."""

    def recipient(self, delivery: Delivery, job: Job) -> Recipient: ...


class SinkRoute:
    """To a configured sink."""

    lasting = True

    def __init__(self, subscriber: Subscriber) -> None:
        self.endpoint = self.label = subscriber.subscription.sink
        self.in_ledger = subscriber.subscription.in_ledger
        self.schedule = subscriber.schedule
        self.concurrency = subscriber.concurrency
        self._rate_per_second = subscriber.rate_per_second
        self._recipient = Recipient(subscription=subscriber.subscription, sink=subscriber.sink)

    def open(self) -> Endpoint:
        return Endpoint(concurrency=self.concurrency, rate_per_second=self._rate_per_second)

    def recipient(self, delivery: Delivery, job: Job) -> Recipient:  # noqa: ARG002 - always the same
        return self._recipient


class CallbackRoute:
    """To all callbacks at one origin. `sinks` None: callbacks are not configured (any more)."""

    label = CALLBACK
    lasting = False
    in_ledger = False
    schedule = Schedule()
    concurrency = CALLBACK_CONCURRENCY

    def __init__(self, endpoint: str, sinks: CallbackSinks | None) -> None:
        self.endpoint = endpoint
        self._sinks = sinks

    def open(self) -> Endpoint:
        return Endpoint(concurrency=self.concurrency, shared=True)

    def recipient(self, delivery: Delivery, job: Job) -> Recipient:
        callback = find(job, delivery.sink)
        if callback is None or self._sinks is None:
            subscription = Subscription(sink=delivery.sink, resumable=False)
            return Recipient(subscription=subscription, sink=None)
        return Recipient(
            subscription=subscription_of(callback),
            sink=self._sinks.sink_for(callback.url),
            callback=callback,
        )
