"""Who is looked at next. One `Roster` per account packs its live jobs into full requests; one `Agenda` wakes accounts.

The longest unseen job goes first, and a request that is due anyway is filled up, since it costs the same for 1 id as
for 100. Nothing here scans: the roster is a queue, the agenda a heap. All times are monotonic seconds.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    `asked_at`: when a request last held it, whatever came of it; `looked_at`: when a reply last told about it, if only
    that it is not there; both -inf before the first. `absent_since`, `misses`: since when there is no sign of it, and
    in how many complete replies it has been missing. `alone`: Zendesk refuses shared requests that hold this id.
    `deliveries`: what is owed or was settled for the job's events so far, by sink.
    """

    __slots__ = ("absent_since", "alone", "asked_at", "deliveries", "ended", "job", "looked_at", "misses")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.deliveries: Mapping[str, Delivery] = NOTHING_OWED
        self.asked_at = -math.inf
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
        self._unasked = 0  # of those in the queue
        self._halves: deque[tuple[Watch, ...]] = deque()
        self._to_confirm: deque[Watch] = deque()
        self._confirm_next = True
        self._alone: deque[tuple[float, Watch]] = deque()

    def add(self, watch: Watch) -> None:
        """A job that was not looked at yet."""
        self._queue.append(watch)
        self._unasked += 1

    def next_at(self, now: float) -> float:
        """When the next request is worth sending; infinity if there is nobody to look at."""
        self._forget_ended()
        if self._to_confirm:
            return now
        return min(self._shared_at(now), self._alone[0][0] if self._alone else math.inf)

    def _shared_at(self, now: float) -> float:
        """When the next request that several jobs share is worth sending."""
        if self._halves or self._unasked:
            return now
        return self._queue[0].asked_at + self._fresh_within if self._queue else math.inf

    def oldest(self) -> Watch | None:
        """Of those that wait, the one that no request has held for longest."""
        self._forget_ended()
        return self._queue[0] if self._queue else None

    def take(self, now: float) -> Poll | None:
        """The next request; its jobs are out of the roster until `looked`, `missing`, `refused` or `put_back`."""
        while self._alone and self._alone[0][0] <= now:
            self._to_confirm.append(self._alone.popleft()[1])
        self._forget_ended()
        # In turns, or a thousand ids that Zendesk does not know would keep all others from being looked at.
        confirm = self._to_confirm and (self._confirm_next or self._shared_at(now) > now)
        self._confirm_next = not confirm
        if confirm:
            return Poll(endpoint=Endpoint.SHOW, watches=(self._to_confirm.popleft(),))
        batch = tuple(_alive(self._halves.popleft()) if self._halves else self._fill())
        return Poll(endpoint=Endpoint.SHOW_MANY, watches=batch) if batch else None

    def _fill(self) -> Iterator[Watch]:
        taken = 0
        while self._queue and taken < IDS_MAX:
            watch = self._pop()
            if not watch.ended:
                taken += 1
                yield watch

    def _pop(self) -> Watch:
        watch = self._queue.popleft()
        self._unasked -= watch.asked_at == -math.inf
        return watch

    def _forget_ended(self) -> None:
        """Make sure that whoever is first, wherever, is still to be looked at."""
        while self._queue and self._queue[0].ended:
            self._pop()
        while self._halves and not any(_alive(self._halves[0])):
            self._halves.popleft()
        while self._to_confirm and self._to_confirm[0].ended:
            self._to_confirm.popleft()
        while self._alone and self._alone[0][1].ended:
            self._alone.popleft()

    def looked(self, watch: Watch, now: float) -> None:
        """Zendesk answered for this job."""
        watch.looked_at = now
        watch.misses = 0
        watch.absent_since = math.inf
        self._return(watch, now)

    def missing(self, watch: Watch, now: float) -> None:
        """A complete reply did not hold it: counted, and confirmed by the single endpoint now and then."""
        watch.asked_at = watch.looked_at = now
        watch.absent_since = min(watch.absent_since, now)
        watch.misses += 1
        doubled = watch.misses >= CONFIRM_MISSES_MIN and watch.misses & (watch.misses - 1) == 0
        if doubled or self.grace_is_over(watch, now):
            self._to_confirm.append(watch)
        else:
            self._return(watch, now)

    def grace_is_over(self, watch: Watch, now: float) -> bool:
        return now - watch.absent_since >= self._lost_after

    def refused(self, poll: Poll, now: float) -> None:
        """Zendesk would not take this request: ask in halves, until whoever is at fault stands alone, and stays so."""
        half = len(poll.watches) // 2
        if half:
            self._halves.extend((poll.watches[:half], poll.watches[half:]))
            return
        for watch in poll.watches:
            watch.alone = True
            watch.absent_since = min(watch.absent_since, now)
        self.put_back(poll.watches, now)

    def put_back(self, watches: Iterable[Watch], now: float) -> None:
        """No usable reply. It counts as a look for the pace, or the loop would spin."""
        for watch in watches:
            self._return(watch, now)

    def _return(self, watch: Watch, now: float) -> None:
        watch.asked_at = now
        if watch.alone:
            self._alone.append((now + ALONE_SECONDS, watch))
        elif not watch.ended:
            self._queue.append(watch)


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

    def due(self, now: float) -> Sequence[str]:
        """Accounts whose time has come, each once, the earliest first; they stay asleep until `set` again."""
        accounts: list[str] = []
        while self.next_at() <= now:
            _, account = heapq.heappop(self._heap)
            del self._at[account]
            accounts.append(account)
        return accounts
