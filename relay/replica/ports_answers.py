"""What a replica's answers are made of, each as narrow as its use."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Cursor, Job, JobKey
from relay.core.record import Backlog, DeliveryFilter
from relay.core.standing import AccountStanding, SinkStanding


class JobRows(Protocol):
    """The images of all partitions. Any call may raise LedgerError."""

    async def find(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]: ...

    async def deliveries_of(self, job: Job) -> Sequence[Delivery]: ...

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]: ...

    async def marks_of(self, partition: int) -> Mapping[str, bytes]: ...


class DeliveryRows(Protocol):
    """The same, as far as they tell of deliveries."""

    async def delivery(self, key: DeliveryKey) -> tuple[Delivery, Job] | None: ...

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]: ...

    async def backlog(self) -> Mapping[str, Backlog]:
        """By endpoint, of all partitions."""

    async def marks(self) -> Mapping[int, Mapping[str, bytes]]:
        """By partition."""


class Census(Protocol):
    async def live_jobs(self) -> Mapping[str, int]:
        """How many jobs have not ended, by account, of all partitions. May raise LedgerError."""


class Waiters(Protocol):
    async def wait(self, key: JobKey, seconds: float, ended: Callable[[], Awaitable[bool]]) -> None:
        """Return when an image shows that the job has ended, or the time is up.

        `ended`: whether there is nothing to wait for; asked when nothing can be missed any more.
        """


class Planner(Protocol):
    def next_poll_at(self, account: str) -> float | None:
        """Wall clock; None: it is not planned."""


class OwnSinks(Protocol):
    def standing_with(self, backlog: Mapping[str, Backlog]) -> Sequence[SinkStanding]: ...

    async def standing(self) -> Sequence[SinkStanding]: ...


class OwnShard(Protocol):
    """A shard at work here."""

    @property
    def poller(self) -> Planner: ...

    @property
    def sinks(self) -> OwnSinks: ...

    async def standing(self) -> Sequence[AccountStanding]: ...


Shards = Callable[[], Mapping[int, OwnShard]]
"""Those at work here, by partition, at the moment."""
