"""What the configured sinks want to hear."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from relay.core.delivery import Subscription, concerns

ACCOUNTS_REMEMBERED = 10_000


class Subscriptions:
    """There may be hundreds of sinks, each for a few accounts: an event should cost no more than those it concerns."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self._by_sink = {subscription.sink: subscription for subscription in subscriptions}
        self.concerning = lru_cache(ACCOUNTS_REMEMBERED)(self._concerning)

    def of_sink(self, name: str) -> Subscription | None:
        """None: nobody knows it (any more)."""
        return self._by_sink.get(name)

    def _concerning(self, account: str) -> Sequence[Subscription]:
        """Of the sinks that want to hear of this account, in the order of the configuration."""
        return tuple(one for one in self._by_sink.values() if concerns(account, one))
