"""The image of one partition: the tables of the SQLite ledger, and how far the topic was read into them.

Both change in one transaction, so an image is always what the partition was at its position. It may be thrown away at
any time, and is, when it could not be brought up to date by reading on: it is of another topic, damaged, or so old
that tombstones which it has not seen may be gone, and rows would come back.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, Protocol, Self, TypeVar

import orjson

from relay.core.job import Job
from relay.core.job_row import decode
from relay.core.record import Batch, Retention
from relay.errors import LedgerError, LedgerUnusable
from relay.ledger.faults import explain
from relay.ledger.file import FileLock
from relay.ledger.forgetting import FIRST_ENDED, Ended, choose
from relay.ledger.kafka import image_statements
from relay.ledger.kafka.reading import Read
from relay.ledger.kafka.records import Changes, Record, changes_of, to_records
from relay.ledger.kafka.topics import LedgerTopic
from relay.ledger.sqlite import SqliteLedger

P = ParamSpec("P")
T = TypeVar("T")

OWN = "image/"  # the names of marks that are the image's own and stand in no record
POSITION = f"{OWN}position"
UNKNOWN = f"{OWN}unknown/"  # + key: fields of the row that this version does not know
AGE_MAX = 0.5  # of the time that tombstones are kept
AGE_TOLD_MAX = 0.01  # of that time: so exactly is it recorded that the image is at the end, where nothing comes


class Position(NamedTuple):
    """`offset`: of what is to be read next. `at`: since when tombstones may be unseen, seconds since the epoch: of when
    that was the end of the log, or, before the end was ever reached, of when reading began.
    """

    source: str
    offset: int
    at: float


class Listener(Protocol):
    """Who hears of an image. Nothing of it changes while a call runs."""

    def begun(self) -> None:
        """It begins anew, and holds nothing."""

    def current(self, newest: int) -> None:
        """For the first time since it was opened or begun anew, it is at the end. `newest`: position of all events."""

    def changed(self, jobs: Sequence[Job]) -> None:
        """It was current, and these rows are new."""


class Unheard:
    """A listener that nobody needs."""

    def begun(self) -> None: ...

    def current(self, newest: int) -> None: ...

    def changed(self, jobs: Sequence[Job]) -> None: ...


class Image:
    """`source`: names the partition, and tells it from a later one of the same name. `now`: wall clock.

    `is_current`: whether it was at the end of the log since it was opened or begun anew.
    """

    def __init__(
        self,
        path: Path,
        *,
        source: str,
        tombstones_kept_seconds: float,
        now: Callable[[], float],
        listener: Listener | None = None,
    ) -> None:
        self._path = path
        self._source = source
        self._age_seconds_max = AGE_MAX * tombstones_kept_seconds
        self._now = now
        self._listener = Unheard() if listener is None else listener
        self._unknown: Mapping[bytes, bytes] = {}
        self._opened = False
        self._at = 0.0
        self._settled = False
        self.rows = SqliteLedger(path)
        self.offset: int | None = None
        self.is_current = False

    @classmethod
    def of(
        cls,
        folder: Path,
        topic: LedgerTopic,
        partition: int,
        *,
        now: Callable[[], float],
        listener: Listener | None = None,
    ) -> Self:
        """In a file of its own in the folder, which must exist."""
        return cls(
            folder / f"relay.{topic.topic.name}.{partition}.db",
            source=f"{topic.topic.id}/{partition}",
            tombstones_kept_seconds=topic.tombstones_kept_seconds,
            now=now,
            listener=listener,
        )

    async def open(self) -> None:
        """Take up what is there, or begin anew. `offset` tells where to read on; None: at the start of the log.

        Idempotent. Raises LedgerUnusable: another process has it, or there can be no file.
        """
        if self._opened:
            return
        try:
            await self._open()
        except LedgerUnusable:
            await self.close()
            self._remove()  # unless somebody has it
            await self._open()

    async def close(self) -> None:
        """Idempotent; safe before `open`."""
        self._opened = False
        await self.rows.close()

    async def start_over(self) -> None:
        """What was read is of no use any more. If that fails, it is closed, and `open` may do better later."""
        await self.close()
        self.is_current = False
        self._listener.begun()
        self._remove()
        await self._open()

    async def _open(self) -> None:
        await self.rows.open()
        await self.rows.run(image_statements.prepare)
        marks = await self.rows.marks()
        position = _position(marks.get(POSITION))
        if position is not None and position.source != self._source:
            raise LedgerUnusable("this image is of another topic")
        self.offset = None if position is None else position.offset
        self._at = self._now() if position is None else position.at
        self._settled = position is not None and image_statements.UNSETTLED not in marks
        self.is_current = False
        self._unknown = {
            name.removeprefix(UNKNOWN).encode(): value for name, value in marks.items() if name.startswith(UNKNOWN)
        }
        if self.outdated:
            raise LedgerUnusable("this image is too old")
        self._opened = True

    @property
    def outdated(self) -> bool:
        """Tombstones that it has not seen may be gone."""
        return self._now() - self._at > self._age_seconds_max

    @property
    def end_wanted(self) -> bool:
        """Whether it should soon be told that it is at the end, if it is."""
        return not self._settled or self._now() - self._at > AGE_TOLD_MAX * self._age_seconds_max

    def _remove(self) -> None:
        lock = FileLock(self._path)
        try:
            lock.acquire()
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise LedgerUnusable(explain(self._path, error)) from error
        finally:
            lock.release()

    async def marks(self) -> Mapping[str, bytes]:
        return {name: value for name, value in (await self.rows.marks()).items() if not name.startswith(OWN)}

    async def changes_of(self, batch: Batch) -> Changes:
        """Raises AlreadyKnown, or LedgerError: it belongs to what the ledger does not hold."""
        await self.rows.run(image_statements.check, batch)
        return changes_of(batch)

    async def forgetting(self, retention: Retention, limit: int) -> Changes:
        """What may go; at most so many jobs."""
        gone: list[tuple[float, str, str]] = []
        place: Ended | None = FIRST_ENDED
        while place is not None and len(gone) < limit:
            some, place = await self.rows.run(choose, retention, place, limit - len(gone))
            gone.extend(some)
        return await self.rows.run(image_statements.removal, gone)

    def records_of(self, changes: Changes) -> Sequence[Record]:
        """Raises LedgerError: a value cannot be recorded."""
        try:
            return to_records(changes, self._unknown)
        except (TypeError, ValueError) as error:
            raise LedgerError(f"a value cannot be recorded: {error}") from error

    async def apply(self, read: Read, offset: int, *, at_end: bool, jobs: Sequence[Job] | None = None) -> None:
        """Take up what stands in the log before `offset`. `at_end`: nothing stands there or beyond, yet.

        `jobs`: those that were read, where they are known already.
        Raises LedgerError; if the file is damaged, once it is replaced by an empty one, for which all is to be read.
        """
        at = self._now() if at_end else self._at
        lapsed = self._unknown.keys() & (read.keys - read.unknown.keys())
        own = {
            POSITION: orjson.dumps([self._source, offset, at]),
            **{UNKNOWN + key.decode(): None for key in lapsed},
            **{UNKNOWN + key.decode(): value for key, value in read.unknown.items()},
        }
        self._settled = await self._run(image_statements.write, read, own, settled=self._settled)
        self.offset, self._at = offset, at
        self._unknown = {key: value for key, value in self._unknown.items() if key not in lapsed} | dict(read.unknown)
        if self.is_current and read.jobs:
            self._listener.changed([decode(job.value) for job in read.jobs] if jobs is None else jobs)

    async def settle(self) -> None:
        """To be called where reading has come to the end: what was read out of order is put in order.

        Raises as `apply` does.
        """
        if not self._settled:
            await self._run(image_statements.settle)
            self._settled = True
        if not self.is_current:
            newest = (await self.rows.positions()).newest
            self.is_current = True
            self._listener.current(newest)

    async def _run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            return await self.rows.run(function, *args, **kwargs)
        except LedgerUnusable as error:
            await self.start_over()
            raise LedgerError(f"an image was damaged, and begins anew: {error}") from error


def _position(row: bytes | None) -> Position | None:
    return None if row is None else Position(*orjson.loads(row))
