"""The recorded events in their order, for those who read instead of receiving.

The newest are held in memory, bounded, so that any number of readers who keep up cost the ledger nothing; older ones
are read from it.
"""

import asyncio
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from relay.core.events import source_of_stranger
from relay.core.job import DELETED, Event, Job
from relay.core.record import EventFilter, EventPage, Positions
from relay.errors import CursorExpired
from relay.shard.claims import incarnation_of

RECENT_MAX = 2_000
RECENT_BYTES_MAX = 4 << 20
WAKE_SECONDS_EACH = 0.0004  # some five times what it costs to wake one reader


class Recorded(Protocol):
    """Any call may raise LedgerError."""

    async def events(self, wanted: EventFilter, after: int, limit: int) -> EventPage: ...

    async def position_before(self, moment: float) -> int: ...

    async def positions(self) -> Positions: ...


class Recent(NamedTuple):
    """An event as it was published. `size`: the bytes of JSON that it holds."""

    position: int
    job: Job
    event: Event
    size: int


POSITION = attrgetter("position")


class Feed:
    """`sources`: by account, the CloudEvents source of its events; may change."""

    def __init__(self, *, recorded: Recorded, sources: Mapping[str, str]) -> None:
        self._recorded = recorded
        self._sources = sources
        self._recent: list[Recent] = []
        self._size = 0
        self._newest: int | None = None  # None: not known before `resume`
        self._complete_after = 0  # what was recorded beyond this position is in memory
        self._grown = asyncio.Event()
        self._waiting = 0
        self._waking: asyncio.TimerHandle | None = None
        self._woken_at = -math.inf  # event loop's time

    def resume(self, position: int) -> None:
        """The position of the newest event that is recorded; to be told before any is published."""
        self._newest = self._complete_after = position

    def publish(self, jobs: Sequence[Job]) -> None:
        """These rows have been committed: take up the events that are new, forget those of deleted jobs."""
        newest = self._newest or 0
        fresh = [
            Recent(event.position, job, event, _size(job, event))
            for job in jobs
            for event in job.events
            if event.position > newest
        ]
        if fresh:
            fresh.sort(key=POSITION)
            self._recent += fresh
            self._size += sum(recent.size for recent in fresh)
            self._newest = fresh[-1].position
        deleted = {incarnation_of(job) for job in jobs if job.state == DELETED}
        if deleted:
            self._recent = [recent for recent in self._recent if incarnation_of(recent.job) not in deleted]
            self._size = sum(recent.size for recent in self._recent)
        if fresh:
            self._trim()
            self._wake()

    def source(self, account: str) -> str:
        """The CloudEvents source of this account's events."""
        return self._sources.get(account) or source_of_stranger(account)

    async def newest(self) -> int:
        """The position of the newest event, 0 before the first. Raises LedgerError."""
        return (await self._recorded.positions()).newest if self._newest is None else self._newest

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
        if self._newest is not None and self._complete_after <= after <= self._newest:
            return self._recent_page(wanted, after, limit, self._newest)
        page = await self._recorded.events(wanted, after, limit)
        positions = await self._recorded.positions()
        if not positions.forgotten <= after <= positions.newest:
            raise CursorExpired(f"position {after} is not among {positions.forgotten} to {positions.newest}")
        return page

    async def wait(self, after: int) -> None:
        """Return when an event beyond that position has been recorded."""
        self._waiting += 1
        try:
            while self._newest is None or self._newest <= after:
                await self._grown.wait()
        finally:
            self._waiting -= 1

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
        while len(self._recent) - excess > RECENT_MAX or self._size > RECENT_BYTES_MAX:
            self._size -= self._recent[excess].size
            excess += 1
        if excess:
            self._complete_after = self._recent[excess - 1].position
            del self._recent[:excess]

    def _wake(self) -> None:
        """At once, unless it was just done: however fast events come, most of the time is left to others."""
        if self._waiting and self._waking is None:
            loop = asyncio.get_running_loop()
            due_at = self._woken_at + self._waiting * WAKE_SECONDS_EACH
            self._waking = loop.call_at(max(due_at, loop.time()), self._wake_all)

    def _wake_all(self) -> None:
        self._waking = None
        self._woken_at = asyncio.get_running_loop().time()
        self._grown.set()
        self._grown = asyncio.Event()


def _size(job: Job, event: Event) -> int:
    return len(job.job_status or b"") + len(event.job_status or b"") + len(event.metadata)


def _fits(wanted: EventFilter, job: Job, event: Event) -> bool:
    return (
        (wanted.accounts is None or job.account in wanted.accounts)
        and (wanted.job is None or job.id == wanted.job)
        and (wanted.types is None or event.type in wanted.types)
        and (wanted.since is None or event.detected_at >= wanted.since)
    )
