"""Who is configured to receive events."""

from collections.abc import Sequence

from relay.core.callbacks import CALLBACK, find, is_callback, subscription_of
from relay.core.delivery import Delivery, Subscription
from relay.core.job import Job
from relay.core.standing import SinkStanding
from relay.shard.ports import CallbackSinks, Subscriber


class Receivers:
    """`names`: of the sinks, in the order of the configuration."""

    def __init__(self, *, subscribers: Sequence[Subscriber], callbacks: CallbackSinks) -> None:
        self._subscribers = {one.subscription.sink: one for one in subscribers}
        self._callbacks = callbacks
        self.names = tuple(self._subscribers)

    @property
    def callbacks(self) -> bool:
        """Whether any callback could be allowed."""
        return self._callbacks.configured

    def find(self, name: str) -> Subscriber | None:
        """The sink of that name."""
        return self._subscribers.get(name)

    def standing(self, name: str) -> SinkStanding:
        """As it stands where nothing is known of it."""
        return SinkStanding(name=name, kind=CALLBACK if name == CALLBACK else self._subscribers[name].kind)

    def subscription(self, delivery: Delivery, job: Job) -> Subscription | None:
        """What the receiver of this delivery wants to hear; None: nobody knows it (any more)."""
        if is_callback(delivery.sink):
            callback = find(job, delivery.sink)
            return None if callback is None else subscription_of(callback)
        subscriber = self._subscribers.get(delivery.sink)
        return None if subscriber is None else subscriber.subscription
