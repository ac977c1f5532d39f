"""The deliveries that couriers have in hand, kept up to date with what is committed meanwhile."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from msgspec import Struct

from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Event, Incarnation, Job


class Prepared(NamedTuple):
    """What is to be sent: the event, what its sink has made of it, and when, monotonic."""

    event: Event
    message: Any
    at: float


class Underway(Struct, kw_only=True, eq=False, gc=False):
    """A delivery in hand, and its job, both as they are committed by now. `prepared`: from these, until it is sent."""

    delivery: Delivery
    job: Job
    prepared: Prepared | None = None


class Claims:
    """Nobody else may have in hand what is claimed, so that a sink never gets two events of a job at once."""

    def __init__(self) -> None:
        self._underway: dict[Incarnation, dict[str, Underway]] = {}
        self._counts: Counter[str] = Counter()

    def take(self, rows: Iterable[tuple[Delivery, Job]], limit: int | None = None) -> list[Underway]:
        """Claim those of these that are still free, at most `limit`."""
        taken: list[Underway] = []
        for delivery, job in rows:
            if len(taken) == limit:
                break
            by_sink = self._underway.setdefault(job.incarnation, {})
            if delivery.sink not in by_sink:
                by_sink[delivery.sink] = Underway(delivery=delivery, job=job)
                self._counts[delivery.endpoint] += 1
                taken.append(by_sink[delivery.sink])
        return taken

    def release(self, underway: Underway) -> None:
        """Idempotent."""
        delivery = underway.delivery
        by_sink = self._underway.get(delivery.incarnation, {})
        if by_sink.get(delivery.sink) is not underway:
            return
        del by_sink[delivery.sink]
        if not by_sink:
            del self._underway[delivery.incarnation]
        self._counts[delivery.endpoint] -= 1
        if not self._counts[delivery.endpoint]:
            del self._counts[delivery.endpoint]

    def count(self, endpoint: str) -> int:
        return self._counts[endpoint]

    def delivery(self, key: DeliveryKey) -> Delivery | None:
        if not self._underway:
            return None
        by_sink = self._underway.get(key[:3])
        underway = None if by_sink is None else by_sink.get(key.sink)
        return None if underway is None else underway.delivery

    def update(self, jobs: Iterable[Job], deliveries: Collection[Delivery]) -> None:
        """These rows have been committed."""
        if not self._underway:
            return
        for row in deliveries:
            by_sink = self._underway.get(row.incarnation)
            if by_sink is not None and row.sink in by_sink:
                by_sink[row.sink].delivery = row
                by_sink[row.sink].prepared = None
        for job in jobs:
            for underway in self._underway.get(job.incarnation, {}).values():
                underway.job = job
                underway.prepared = None
