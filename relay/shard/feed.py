"""The recorded events of one partition in their order, for those who read instead of receiving.

The newest are held in memory, bounded, so that any number of readers who keep up cost the ledger nothing; older ones
are read from it.
"""

from bisect import bisect_right
from collections.abc import Callable, MutableMapping, Sequence
from operator import attrgetter
from typing import Protocol

from msgspec import Struct

from relay.core.events import source_of_stranger
from relay.core.job import DELETED, Event, Job
from relay.core.record import EventFilter, EventPage, Positions
from relay.errors import CursorExpired

RECENT_MAX = 2_000  # of all feeds of a process together
RECENT_BYTES_MAX = 4 << 20


class Recorded(Protocol):
    """Any call may raise LedgerError."""

    async def events(self, wanted: EventFilter, after: int, limit: int) -> EventPage: ...

    async def position_before(self, moment: float) -> int: ...

    async def positions(self) -> Positions: ...


class Recent(Struct, frozen=True, gc=False):
    """An event as it was published. `size`: the bytes of JSON that it holds."""

    position: int
    job: Job
    event: Event
    size: int


POSITION = attrgetter("position")


class Feed:
    """It is told what is recorded by whoever owns the partition, or follows it; it outlives them.

    `newest`: the position of the newest event; None: not known before `resume`.
    `sources`: by account, the CloudEvents source of its events. Whoever gets to know an account adds it there, and it
    stays: what its events owe must not change.
    """

    def __init__(self, *, recorded: Recorded, sources: MutableMapping[str, str]) -> None:
        self.sources = sources
        self._recorded = recorded
        self._recent: list[Recent] = []
        self._size = 0
        self.newest: int | None = None
        self._complete_after = 0  # what was recorded beyond this position is in memory
        self._passed = 0  # the newest position that was published before `resume`
        self._feeds = 1
        self._changed: Callable[[], None] = _nobody

    def join(self, feeds: int, changed: Callable[[], None]) -> None:
        """Be one of so many, which share the room in memory. `changed`: called when readers are told something else."""
        self._feeds, self._changed = feeds, changed

    def resume(self, position: int) -> None:
        """The position of the newest event that is recorded: up to there all is read from the ledger from now on.

        To be told at first, and whenever somebody else may have recorded some; what is published before counts, too.
        """
        self.newest = self._complete_after = max(position, self._passed)
        self._passed = 0
        self._recent.clear()
        self._size = 0
        self._changed()

    def publish(self, jobs: Sequence[Job]) -> None:
        """These rows have been committed: take up the events that are new, forget those of deleted jobs."""
        if self.newest is None:
            self._passed = max((self._passed, *(event.position for job in jobs for event in job.events)))
            return
        fresh = [
            Recent(event.position, job, event, _size(job, event))
            for job in jobs
            for event in job.events
            if event.position > self.newest
        ]
        if fresh:
            fresh.sort(key=POSITION)
            self._recent += fresh
            self._size += sum(recent.size for recent in fresh)
            self.newest = fresh[-1].position
        deleted = {job.incarnation for job in jobs if job.state == DELETED}
        if deleted:
            self._recent = [recent for recent in self._recent if recent.job.incarnation not in deleted]
            self._size = sum(recent.size for recent in self._recent)
        if fresh or deleted:
            self._trim()
            self._changed()

    def source(self, account: str) -> str:
        """The CloudEvents source of this account's events."""
        return self.sources.get(account) or source_of_stranger(account)

    async def reached(self) -> int:
        """The position of the newest event, 0 before the first. Raises LedgerError."""
        return (await self._recorded.positions()).newest if self.newest is None else self.newest

    async def oldest(self) -> int:
        """The position up to which events may be forgotten. Raises LedgerError."""
        return (await self._recorded.positions()).forgotten

    async def position_before(self, moment: float) -> int:
        """The position after which all lies that was detected since then. Raises LedgerError."""
        return await self._recorded.position_before(moment)

    async def page(self, wanted: EventFilter, after: int | None, limit: int) -> EventPage:
        """At most `limit` events beyond that position (None: from the oldest that is kept).

        A page may be empty although there is more. Raises LedgerError, or CursorExpired: events beyond that position
        may be forgotten, or it is one of another ledger.
        """
        if after is None:
            return await self._recorded.events(wanted, 0, limit)
        if self.newest is not None and self._complete_after <= after <= self.newest:
            return self._recent_page(wanted, after, limit, self.newest)
        page = await self._recorded.events(wanted, after, limit)
        positions = await self._recorded.positions()
        if not positions.forgotten <= after <= positions.newest:
            raise CursorExpired(f"position {after} is not among {positions.forgotten} to {positions.newest}")
        return page

    def _recent_page(self, wanted: EventFilter, after: int, limit: int, newest: int) -> EventPage:
        found: list[tuple[Job, Event]] = []
        for recent in self._recent[bisect_right(self._recent, after, key=POSITION) :]:
            if _fits(wanted, recent.job, recent.event):
                found.append((recent.job, recent.event))
                if len(found) == limit:
                    return EventPage(events=found, reached=recent.position, more=recent.position < newest)
        return EventPage(events=found, reached=newest, more=False)

    def _trim(self) -> None:
        excess = 0
        while self._feeds * (len(self._recent) - excess) > RECENT_MAX or self._feeds * self._size > RECENT_BYTES_MAX:
            self._size -= self._recent[excess].size
            excess += 1
        if excess:
            self._complete_after = self._recent[excess - 1].position
            del self._recent[:excess]


def _nobody() -> None:
    """Reads it."""


def _size(job: Job, event: Event) -> int:
    return len(job.job_status or b"") + len(event.job_status or b"") + len(event.metadata)


def _fits(wanted: EventFilter, job: Job, event: Event) -> bool:
    return (
        (wanted.accounts is None or job.account in wanted.accounts)
        and (wanted.job is None or job.id == wanted.job)
        and (wanted.types is None or event.type in wanted.types)
        and (wanted.since is None or event.detected_at >= wanted.since)
    )
