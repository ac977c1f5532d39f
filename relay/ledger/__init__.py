"""The port to the durable record. `memory` is the reference, `sqlite` the embedded default; both pass one
contract suite.

An answer is always what was committed, never what is on its way. Rows are keyed by incarnation (account, id,
tracked_at): a job tracked afresh leaves the events of its former life owed and unharmed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Cursor, Job, JobKey
from relay.core.record import Backlog, Batch, DeliveryFilter, EventFilter, EventPage, Positions, Retention


class Ledger(Protocol):
    """Any call may raise LedgerError, after which nothing of that call is durable. `open` may raise LedgerUnusable."""

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Idempotent; safe before `open`."""

    async def commit(self, batch: Batch) -> None:
        """Durable when it returns: survives kill -9 and loss of power. Waits for commits that were called before.

        May raise AlreadyKnown.
        """

    async def live(self, after: Job | None, limit: int) -> Sequence[tuple[Job, Sequence[Delivery]]]:
        """A page of all jobs that have not ended, each with its deliveries, starting after `after`.

        The order is the ledger's own and does not change.
        A row that cannot be deciphered raises LedgerUnusable naming it: better to stop than to forget a job.
        """

    async def find(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
        """The newest incarnation of each job that is known, deleted ones included."""

    async def deliveries_of(self, job: Job) -> Sequence[Delivery]:
        """All deliveries of this incarnation, by sink."""

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]:
        """Newest first: the newest incarnation of each job that is not deleted, of these accounts (None: all)."""

    async def due(
        self, endpoint: str, now: float, limit: int, *, after: Delivery | None = None
    ) -> Sequence[tuple[Delivery, Job]]:
        """PENDING deliveries to the endpoint with `due_at` ≤ now, earliest first, each with its job.

        `after`: only those behind where that row stood when it was read, whatever has become of it.
        """

    async def next_due(self, endpoint: str, after: float) -> float | None:
        """The earliest `due_at` > `after` of the PENDING deliveries to the endpoint."""

    async def overaged(self, endpoint: str, owed_before: float, limit: int) -> Sequence[tuple[Delivery, Job]]:
        """PENDING deliveries to the endpoint that are owed since before then, whether due or not, with their jobs."""

    async def delivery(self, key: DeliveryKey) -> tuple[Delivery, Job] | None:
        """The row of that key with its job; None: there is none."""

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        """A page of deliveries with their jobs, the newest jobs first: by key, descending, from below `after`."""

    async def backlog(self) -> Mapping[str, Backlog]:
        """By endpoint; one to which nothing is pending or dead may be missing."""

    async def events(self, wanted: EventFilter, after: int, limit: int) -> EventPage:
        """At most `limit` events at positions beyond `after`.

        Left out are events of deleted jobs, progress in whose place the job's row holds newer progress, and all up to
        the position that is forgotten: a reader beyond it has missed nothing.
        A page may be empty although there is more: one call looks at a bounded number of rows.
        """

    async def position_before(self, moment: float) -> int:
        """A position, as high as can be told cheaply, beyond which all events lie that were detected since then.

        At least the one that is forgotten.
        """

    async def positions(self) -> Positions: ...

    async def marks(self) -> Mapping[str, bytes]: ...

    async def forget(self, retention: Retention, limit: int) -> int:
        """Remove at most `limit` ended jobs, with their deliveries, and tell how many were removed.

        A job goes when nothing is pending for it, it ended and was last settled before `finished_before` and its dead
        deliveries were settled before `dead_before`. A deleted job goes as soon as nothing is pending for it.
        """

    async def size_bytes(self) -> int:
        """What the record takes on disk."""
