"""Who is looked at next. One `Roster` per account packs its live jobs into full requests; one `Agenda` wakes accounts.

The longest unseen job goes first, and a request that is due anyway is filled up, since it costs the same for 1 id as
for 100. Nothing here scans: the roster is a queue, the agenda a heap. All times are monotonic seconds.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.zendesk import IDS_MAX, Endpoint, Request

STALE_MAX = 64  # outdated heap entries to put up with before it is made anew
ALONE_SECONDS = 60.0  # between two looks at a job that no shared request may hold
NOTHING_OWED: Mapping[str, Delivery] = MappingProxyType({})  # shared: most live jobs owe nothing
CONFIRM_MISSES_MIN = 2  # a fresh job is often missing once


class Watch:
    """A live job in memory: its committed row, and when it was looked at. The only thing here that changes in place.

    `looked_at`: -inf until the first look. `absent_since`, `misses`: since when, and in how many complete replies, it
    has been missing. `alone`: Zendesk refuses requests that hold this id. `deliveries`: what is owed or was settled
    for the job's events so far, by sink.
    """

    __slots__ = ("absent_since", "alone", "deliveries", "ended", "job", "looked_at", "misses")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.deliveries: Mapping[str, Delivery] = NOTHING_OWED
        self.looked_at = -math.inf
        self.absent_since = math.inf
        self.misses = 0
        self.alone = False
        self.ended = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Ask Zendesk about these jobs, in one request."""

    endpoint: Endpoint
    watches: tuple[Watch, ...]

    @property
    def request(self) -> Request:
        return Request(endpoint=self.endpoint, ids=tuple(watch.job.id for watch in self.watches))


class Roster:
    """The live jobs of one account, in the order in which they will be looked at. Each is in one place only."""

    def __init__(self, fresh_within_seconds: float, lost_after_seconds: float) -> None:
        self._fresh_within = fresh_within_seconds
        self._lost_after = lost_after_seconds
        self._queue: deque[Watch] = deque()
        self._to_confirm: deque[Watch] = deque()
        self._refused: deque[tuple[Watch, ...]] = deque()
        self._alone: deque[tuple[float, Watch]] = deque()
        self._unseen = 0

    def add(self, watch: Watch) -> None:
        """A job that was not looked at yet."""
        self._queue.append(watch)
        self._unseen += 1

    def next_at(self, now: float) -> float:
        """When the next request is worth sending; infinity if there is nobody to look at."""
        if self._refused or self._to_confirm or self._unseen:
            return now
        oldest = self.oldest()
        due = math.inf if oldest is None else oldest.looked_at + self._fresh_within
        return min(due, self._alone[0][0]) if self._alone else due

    def oldest(self) -> Watch | None:
        """The longest unseen job of those that wait."""
        while self._queue and self._queue[0].ended:
            self._queue.popleft()
        return self._queue[0] if self._queue else None

    def take(self, now: float) -> Poll | None:
        """The next request; its jobs are out of the roster until `looked`, `missing`, `refused` or `put_back`."""
        while self._alone and self._alone[0][0] <= now:
            self._to_confirm.append(self._alone.popleft()[1])
        while self._refused:
            batch = tuple(_alive(self._refused.popleft()))
            if batch:
                return Poll(endpoint=Endpoint.SHOW_MANY, watches=batch)
        while self._to_confirm:
            watch = self._to_confirm.popleft()
            if not watch.ended:
                return Poll(endpoint=Endpoint.SHOW, watches=(watch,))
        batch = tuple(self._fill())
        return Poll(endpoint=Endpoint.SHOW_MANY, watches=batch) if batch else None

    def _fill(self) -> Iterator[Watch]:
        taken = 0
        while self._queue and taken < IDS_MAX:
            watch = self._queue.popleft()
            if watch.looked_at == -math.inf:
                self._unseen -= 1
            if not watch.ended:
                taken += 1
                yield watch

    def looked(self, watch: Watch, now: float) -> None:
        """Zendesk answered for this job."""
        watch.looked_at = now
        watch.misses = 0
        watch.absent_since = math.inf
        self._append(watch, now)

    def _append(self, watch: Watch, now: float) -> None:
        if watch.alone:
            self._alone.append((now + ALONE_SECONDS, watch))
        elif not watch.ended:
            self._queue.append(watch)

    def missing(self, watch: Watch, now: float) -> None:
        """A complete reply did not hold it: counted, and confirmed by the single endpoint now and then."""
        watch.looked_at = now
        watch.absent_since = min(watch.absent_since, now)
        watch.misses += 1
        doubled = watch.misses >= CONFIRM_MISSES_MIN and watch.misses & (watch.misses - 1) == 0
        if doubled or self.grace_is_over(watch, now):
            self._to_confirm.append(watch)
        else:
            self._append(watch, now)

    def grace_is_over(self, watch: Watch, now: float) -> bool:
        return now - watch.absent_since >= self._lost_after

    def refused(self, poll: Poll, now: float) -> None:
        """Zendesk would not take this request: ask in halves, until whoever is at fault stands alone, and stays so."""
        half = len(poll.watches) // 2
        if half:
            self._refused.extend((poll.watches[:half], poll.watches[half:]))
            return
        for watch in poll.watches:
            watch.alone = True
        self.put_back(poll.watches, now)

    def put_back(self, watches: Iterable[Watch], now: float) -> None:
        """No usable reply. It counts as a look for the pace, or the loop would spin."""
        for watch in watches:
            watch.looked_at = now
            self._append(watch, now)


def _alive(watches: Iterable[Watch]) -> Iterator[Watch]:
    return (watch for watch in watches if not watch.ended)


class Agenda:
    """When to wake which account: a heap with one valid entry per account."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._at: dict[str, float] = {}

    def set(self, account: str, moment: float) -> None:
        """Wake the account then, instead of whenever it was; infinity: not at all."""
        if self._at.get(account) == moment:
            return
        if moment == math.inf:
            self._at.pop(account, None)
            return
        self._at[account] = moment
        heapq.heappush(self._heap, (moment, account))
        if len(self._heap) > 4 * len(self._at) + STALE_MAX:
            self._heap = [(at, name) for name, at in self._at.items()]
            heapq.heapify(self._heap)

    def at(self, account: str) -> float:
        return self._at.get(account, math.inf)

    def next_at(self) -> float:
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> Iterator[str]:
        """Accounts whose time has come, each once; they stay asleep until `set` again."""
        while self.next_at() <= now:
            _, account = heapq.heappop(self._heap)
            del self._at[account]
            yield account
