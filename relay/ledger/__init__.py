"""The port to the durable record. `memory` is the reference, `sqlite` the embedded default; both pass one
contract suite.

An answer is always what was committed, never what is on its way. Rows are keyed by incarnation (account, id,
tracked_at): a job tracked afresh leaves the events of its former life owed and unharmed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from relay.core.delivery import Delivery
from relay.core.job import Cursor, Job, JobKey
from relay.core.record import Backlog, Batch, Retention


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

    async def due(self, sink: str, now: float, limit: int) -> Sequence[tuple[Delivery, Job]]:
        """PENDING deliveries of the sink with `due_at` ≤ now, earliest first, each with its job."""

    async def next_due(self, sink: str, after: float) -> float | None:
        """The earliest `due_at` > `after` of the sink's PENDING deliveries."""

    async def backlog(self) -> Mapping[str, Backlog]:
        """By sink; a sink that nothing is owed to may be missing."""

    async def marks(self) -> Mapping[str, bytes]: ...

    async def forget(self, retention: Retention, limit: int) -> int:
        """Remove at most `limit` ended jobs, with their deliveries, and tell how many were removed.

        A job goes when nothing is pending for it, it ended and was last settled before `finished_before` and its dead
        deliveries were settled before `dead_before`. A deleted job goes as soon as nothing is pending for it.
        """

    async def size_bytes(self) -> int:
        """What the record takes on disk."""
