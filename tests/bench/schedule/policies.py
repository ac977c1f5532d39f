"""Who is asked about when: the production code, and the schedules it is measured against, behind one interface."""

import heapq
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bench.schedule.workloads import Truth

from relay.core.job import Job, state_of
from relay.core.pacing import Pacer
from relay.core.rule import Terms
from relay.core.schedule import Roster
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX

Statuses = Mapping[str, dict[str, Any]]


class Policy(Protocol):
    def add(self, job: Truth, now: float) -> None: ...

    def next_at(self, allowed_at: float, pacer: Pacer) -> float:
        """The next request, not before the pacer allows it; infinity: none."""

    def take(self, now: float, pacer: Pacer) -> Sequence[str]:
        """The ids of the request that goes now."""

    def reply(self, ids: Sequence[str], statuses: Statuses, now: float) -> None: ...


class Relay:
    """The production roster, treated as the poll loop treats it. `terms`: instead of the configured freshness."""

    def __init__(self, fresh_within_seconds: float = 2.0, terms: Terms | None = None) -> None:
        self.roster = Roster(fresh_within_seconds, 300.0)
        self.roster.terms = terms or self.roster.terms
        self._watches: dict[str, Watch] = {}
        self._known: dict[str, dict[str, Any]] = {}

    def add(self, job: Truth, now: float) -> None:
        watch = self._watches[job.id] = Watch(Job(account="acme", id=job.id, tracked_at=job.tracked_at))
        self.roster.add(watch, now, now)

    def next_at(self, allowed_at: float, pacer: Pacer) -> float:
        return self.roster.next_at(allowed_at, pacer.gap(allowed_at))

    def take(self, now: float, pacer: Pacer) -> Sequence[str]:
        poll = self.roster.take(now, pacer.gap(now))
        return () if poll is None else [watch.job.id for watch in poll.watches]

    def reply(self, ids: Sequence[str], statuses: Statuses, now: float) -> None:
        watches = [self._watches[job_id] for job_id in ids]
        for watch in watches:
            status = statuses[watch.job.id]
            if status != self._known.get(watch.job.id):
                self._known[watch.job.id] = status
                self.roster.told(watch, status, now)
        self.roster.looked(watches, now)
        for watch in watches:
            if state_of(statuses[watch.job.id]["status"]).terminal:
                watch.ended = True
                del self._watches[watch.job.id], self._known[watch.job.id]


class Sweep:
    """A full request in every interval, the longest unseen first."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next_at = 0.0
        self._queue: deque[str] = deque()

    def add(self, job: Truth, now: float) -> None:
        self._queue.append(job.id)

    def next_at(self, allowed_at: float, pacer: Pacer) -> float:
        return max(allowed_at, self._next_at) if self._queue else math.inf

    def take(self, now: float, pacer: Pacer) -> Sequence[str]:
        self._next_at = now + self._interval
        return [self._queue.popleft() for _ in range(min(len(self._queue), IDS_MAX))]

    def reply(self, ids: Sequence[str], statuses: Statuses, now: float) -> None:
        self._queue.extend(job_id for job_id in ids if not state_of(statuses[job_id]["status"]).terminal)


class BackOff:
    """Each job after an interval that grows with every look; requests hold at most `size` of those that are due."""

    def __init__(self, first: float, factor: float = 2.0, most: float = 60.0, size: int = IDS_MAX) -> None:
        self._first, self._factor, self._most, self._size = first, factor, most, size
        self._heap: list[tuple[float, str]] = []
        self._interval: dict[str, float] = {}

    def add(self, job: Truth, now: float) -> None:
        self._interval[job.id] = self._first
        heapq.heappush(self._heap, (now, job.id))

    def next_at(self, allowed_at: float, pacer: Pacer) -> float:
        return max(allowed_at, self._heap[0][0]) if self._heap else math.inf

    def take(self, now: float, pacer: Pacer) -> Sequence[str]:
        taken: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(taken) < self._size:
            taken.append(heapq.heappop(self._heap)[1])
        return taken

    def reply(self, ids: Sequence[str], statuses: Statuses, now: float) -> None:
        for job_id in ids:
            if state_of(statuses[job_id]["status"]).terminal:
                del self._interval[job_id]
                continue
            interval = self._interval[job_id]
            self._interval[job_id] = min(interval * self._factor, self._most)
            heapq.heappush(self._heap, (now + interval, job_id))
