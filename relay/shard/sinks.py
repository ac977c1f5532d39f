"""How the sinks of a shard stand, and what a person may ask of them."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from relay.core.callbacks import CALLBACK, label_of
from relay.core.delivery import Attempt, Delivery, DeliveryKey
from relay.core.events import trial
from relay.core.job import Job
from relay.core.record import Backlog, DeliveryFilter
from relay.core.standing import GRAVITY, SinkStanding, SinkState
from relay.errors import UnknownSink
from relay.shard.courier import Courier
from relay.shard.couriers import Couriers
from relay.shard.executing import Executing
from relay.shard.ports import CallbackSinks, Record, Sink, Subscriber, Surroundings


class Sinks:
    """Names are those of the configured sinks, and `callback` for all callbacks together.

    Whatever names a sink raises UnknownSink: there is none of that name. All may raise Unavailable or LedgerError.
    `callbacks` None: they are not configured.
    """

    def __init__(
        self,
        *,
        subscribers: Sequence[Subscriber],
        callbacks: CallbackSinks | None,
        couriers: Couriers,
        executing: Executing,
        record: Record,
        surroundings: Surroundings,
    ) -> None:
        self._subscribers = {subscriber.subscription.sink: subscriber for subscriber in subscribers}
        self._callbacks = callbacks
        self._couriers = couriers
        self._executing = executing
        self._record = record
        self._around = surroundings

    async def standing(self) -> Sequence[SinkStanding]:
        """In the order of the configuration; `callback` last, where callbacks are configured or any are owed."""
        return self.standing_with(await self._record.backlog())

    def standing_with(self, backlog: Mapping[str, Backlog]) -> Sequence[SinkStanding]:
        """The same, with a backlog by endpoint that was read before."""
        owed = by_label(backlog)
        standings = [
            _standing(name, subscriber.kind, self._couriers.labelled(name), owed.get(name, Backlog()))
            for name, subscriber in self._subscribers.items()
        ]
        couriers = self._couriers.labelled(CALLBACK)
        if self._known_callbacks() or CALLBACK in owed:
            standings.append(_standing(CALLBACK, CALLBACK, couriers, owed.get(CALLBACK, Backlog())))
        return standings

    async def pause(self, name: str) -> None:
        """Begin no further attempt until it is resumed, also after a restart. Deliveries wait, and die of age."""
        self._check(name)
        await self._executing.pause(name, self._around.clock.now())

    async def resume(self, name: str) -> None:
        """Go on, also after a 410, and at once, also where a wait was imposed by trouble."""
        self._check(name)
        await self._executing.resume(name)

    async def test(self, name: str) -> Attempt:
        """Send a `relay.test` event, once and at once, paused or not. Callbacks have no address: UnknownSink."""
        subscriber = self._subscribers.get(name)
        if subscriber is None:
            raise UnknownSink(name)
        return await send_trial(subscriber.sink, name, self._around.random, self._around.clock.now())

    async def recover(self, name: str, since: float, until: float) -> int:
        """Owe again, at once, what is dead and became owed in [since, until); how many deliveries."""
        self._check(name)
        return await self._executing.recover(name, since, until)

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        """A page, the newest jobs first, from below `after`."""
        return await self._record.deliveries(wanted, after, limit)

    async def retry(self, key: DeliveryKey) -> bool:
        """Dead: owed again, at once. Pending: due at once. Delivered: sent again. False: there is no such delivery."""
        return await self._executing.retry(key)

    def _check(self, name: str) -> None:
        if name not in self._subscribers and not (name == CALLBACK and self._known_callbacks()):
            raise UnknownSink(name)

    def _known_callbacks(self) -> bool:
        configured = self._callbacks is not None and self._callbacks.configured
        return configured or bool(self._couriers.labelled(CALLBACK))


async def send_trial(sink: Sink, name: str, random: Random, now: float) -> Attempt:
    return await sink.send(sink.prepare(trial(name, random.getrandbits(128), now)))


def by_label(backlog: Mapping[str, Backlog]) -> Mapping[str, Backlog]:
    """A backlog by endpoint, with all callbacks as one."""
    merged: dict[str, Backlog] = {}
    for endpoint, owed in backlog.items():
        label = label_of(endpoint)
        merged[label] = merged.get(label, Backlog()) + owed
    return merged


def _standing(name: str, kind: str, couriers: Sequence[Courier], owed: Backlog) -> SinkStanding:
    """Of several endpoints, the state of the one that is worst off."""
    worst = max(couriers, key=lambda courier: GRAVITY.index(courier.state), default=None)
    state = SinkState.ACTIVE if worst is None else worst.state
    return SinkStanding(
        name=name,
        kind=kind,
        state=state,
        since=None if worst is None else worst.since,
        error=_error(worst, couriers) if worst is not None and state is not SinkState.ACTIVE else None,
        pending=owed.pending,
        dead=owed.dead,
        oldest_pending_since=owed.oldest_pending_since,
    )


def _error(worst: Courier, couriers: Iterable[Courier]) -> str | None:
    if worst.route.lasting or worst.endpoint.stopped is not None:
        return worst.endpoint.error
    alike = sum(courier.state is worst.state for courier in couriers)
    return f"{alike} of the origins, such as {worst.route.endpoint}: {worst.endpoint.error}"
