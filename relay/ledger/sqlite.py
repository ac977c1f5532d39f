"""The embedded ledger: one SQLite file, one connection, one thread."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Concatenate, ParamSpec, TypeVar

from relay.core.delivery import Delivery, DeliveryKey
from relay.core.job import Cursor, Job, JobKey
from relay.core.record import Backlog, Batch, DeliveryFilter, EventFilter, EventPage, Positions, Retention
from relay.errors import LedgerError, LedgerUnusable
from relay.ledger import deliveries, events, forgetting, jobs, writing
from relay.ledger.copying import copy, remove_copy
from relay.ledger.faults import describe, explain, fault
from relay.ledger.file import FileLock, connect, inspect
from relay.ledger.thread import LedgerThread

P = ParamSpec("P")
T = TypeVar("T")


class SqliteLedger:
    """The `Ledger` on the file `path`, whose folder must exist. Calls run in the order in which they were made."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = FileLock(self._path)
        self._thread: LedgerThread | None = None
        self._connection: sqlite3.Connection | None = None
        self._closing: asyncio.Future[None] | None = None

    @property
    def path(self) -> Path:
        return self._path

    async def open(self) -> None:
        if self._thread is not None:
            raise LedgerError(describe(self._path, "it is open already"))
        await self._closed()
        self._thread = LedgerThread()
        try:
            await self._on_thread(self._open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """It is closed also where whoever waits gives up: the next `open` waits for that."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing = thread.last(self._close)
            self._closing.add_done_callback(lambda _: thread.stop())
        await self._closed()

    async def _closed(self) -> None:
        closing = self._closing
        if closing is not None:
            await asyncio.shield(closing)
            self._closing = None

    async def commit(self, batch: Batch) -> None:
        await self.run(writing.write, batch)

    async def live(self, after: Job | None, limit: int) -> Sequence[tuple[Job, Sequence[Delivery]]]:
        return await self.run(jobs.live, after, limit)

    async def find(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]:
        return await self.run(jobs.find, keys)

    async def deliveries_of(self, job: Job) -> Sequence[Delivery]:
        return await self.run(deliveries.deliveries_of, job)

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]:
        found: list[Job] = []
        place: Cursor | None = after or jobs.NEWEST
        while place is not None and len(found) < limit:
            some, place = await self.run(jobs.scan, accounts, state, place, limit - len(found))
            found.extend(some)
        return found

    async def due(
        self, endpoint: str, now: float, limit: int, *, after: Delivery | None = None
    ) -> Sequence[tuple[Delivery, Job]]:
        return await self.run(deliveries.due, endpoint, now, limit, after)

    async def next_due(self, endpoint: str, after: float) -> float | None:
        return await self.run(deliveries.next_due, endpoint, after)

    async def overaged(self, endpoint: str, owed_before: float, limit: int) -> Sequence[tuple[Delivery, Job]]:
        return await self.run(deliveries.overaged, endpoint, owed_before, limit)

    async def delivery(self, key: DeliveryKey) -> tuple[Delivery, Job] | None:
        return await self.run(deliveries.delivery, key)

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        found: list[tuple[Delivery, Job]] = []
        place: DeliveryKey | None = after or deliveries.NEWEST
        while place is not None and len(found) < limit:
            some, place = await self.run(deliveries.scan, wanted, place, limit - len(found))
            found.extend(some)
        return found

    async def backlog(self) -> Mapping[str, Backlog]:
        return await self.run(deliveries.backlog)

    async def events(self, wanted: EventFilter, after: int, limit: int) -> EventPage:
        return await self.run(events.page, wanted, after, limit)

    async def position_before(self, moment: float) -> int:
        return await self.run(events.position_before, moment)

    async def positions(self) -> Positions:
        return await self.run(events.positions)

    async def marks(self) -> Mapping[str, bytes]:
        return await self.run(writing.marks)

    async def forget(self, retention: Retention, limit: int) -> int:
        forgotten = 0
        place: forgetting.Ended | None = forgetting.FIRST_ENDED
        while place is not None and forgotten < limit:
            count, place = await self.run(forgetting.forget, retention, place, limit - forgotten)
            forgotten += count
        return forgotten

    async def size_bytes(self) -> int:
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    async def back_up(self, target: Path) -> None:
        """Copy all of it to `target`, an empty file. Other calls go on meanwhile; what they commit is copied, too.

        A caller who gives up ends it. Raises LedgerError: the target cannot be written, or the ledger is being closed.
        """
        given_up = Event()

        def between() -> None:
            if given_up.is_set():
                raise LedgerError("nobody waits for the copy any more")
            if self._thread is not None:
                self._thread.give_way()

        copying = asyncio.ensure_future(self.run(copy, target, between))
        try:
            await asyncio.shield(copying)
        finally:
            given_up.set()
            await asyncio.wait([copying])

    async def run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What the function answers, called with the connection, on its thread. Raises what it raises."""

        def call() -> T:
            return function(self._opened(), *args, **kwargs)

        return await self._on_thread(partial(self._explained, call))

    async def _on_thread(self, function: Callable[[], T]) -> T:
        if self._thread is None:
            raise LedgerError(describe(self._path, "it is not open"))
        return await self._thread.call(function)

    def _open(self) -> None:
        try:
            inspect(self._path)
            self._lock.acquire()
            remove_copy(self._path)
            self._connection = connect(self._path)
        except (OSError, sqlite3.Error) as error:
            raise LedgerUnusable(explain(self._path, error)) from error
        except LedgerUnusable as error:
            raise LedgerUnusable(describe(self._path, str(error))) from error

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.release()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LedgerError("it is not open")
        return self._connection

    def _explained(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except sqlite3.Error as error:
            raise fault(self._path, error) from error
        except LedgerError as error:
            raise type(error)(describe(self._path, str(error))) from error
