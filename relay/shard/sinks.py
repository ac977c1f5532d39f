"""The sinks of a shard: how they stand, and what a person may ask of them."""

from collections.abc import Sequence

from relay.core.delivery import Attempt, Delivery, DeliveryKey
from relay.core.job import Job
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkStanding
from relay.shard.ports import CallbackSinks, Record, Subscriber


class Sinks:
    """Names are those of the configured sinks, and `callback` for all callbacks together.

    Whatever names a sink raises UnknownSink: there is none of that name. All may raise Unavailable or LedgerError.
    """

    def __init__(self, *, subscribers: Sequence[Subscriber], callbacks: CallbackSinks | None, record: Record) -> None:
        self._subscribers = subscribers
        self._callbacks = callbacks
        self._record = record

    async def standing(self) -> Sequence[SinkStanding]:
        """In the order of the configuration; `callback` last, where callbacks are configured or any are owed."""
        raise NotImplementedError

    async def pause(self, name: str) -> None:
        """Begin no further attempt until it is resumed, also after a restart. Deliveries wait, and die of age."""
        raise NotImplementedError

    async def resume(self, name: str) -> None:
        """Go on, also after a 410; where nothing stands still, it changes nothing."""
        raise NotImplementedError

    async def test(self, name: str) -> Attempt:
        """Send a `relay.test` event, once and at once, paused or not. Callbacks have no address: UnknownSink."""
        raise NotImplementedError

    async def recover(self, name: str, since: float, until: float) -> int:
        """Owe again, at once, what is dead and became owed in [since, until); how many deliveries."""
        raise NotImplementedError

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        """A page, the newest jobs first, from below `after`."""
        raise NotImplementedError

    async def retry(self, key: DeliveryKey) -> bool:
        """Dead: owed again, at once. Pending: due at once. Delivered: sent again. False: there is no such delivery."""
        raise NotImplementedError
