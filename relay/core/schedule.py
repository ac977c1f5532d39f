"""Who is looked at next, and when. One `Roster` per account packs its live jobs into full requests.

A job that was never looked at goes at once, or with others that come soon after where a request has just gone; where
more jobs wait than the budget can serve, by what it accrues like all others. When another look is worth a request, the
rule decides. A request that is sent is filled up, since it costs the same for 1 id as for 100. All times are monotonic
seconds.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from relay.core import rule
from relay.core.job import state_of
from relay.core.waiting import Waiting
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX, Endpoint, Request

ALONE_SECONDS = 60.0  # between two looks at a job that no shared request may hold
NEVER = math.inf
CONFIRM_MISSES_MIN = 2  # a fresh job is often missing once


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Ask Zendesk about these jobs, in one request."""

    endpoint: Endpoint
    watches: tuple[Watch, ...]

    @property
    def request(self) -> Request:
        return Request(endpoint=self.endpoint, ids=tuple(watch.job.id for watch in self.watches))


class Roster:
    """The live jobs of one account, as they wait for a look. Each is in one place only.

    `gap`, throughout: the seconds between two requests that the account's budget allows at present.
    """

    def __init__(self, fresh_within_seconds: float, lost_after_seconds: float) -> None:
        self.terms = rule.Terms.fresh(fresh_within_seconds)
        self._fresh_within = fresh_within_seconds
        self._lost_after = lost_after_seconds
        self._waiting = Waiting()
        self._halves: deque[tuple[Watch, ...]] = deque()
        self._to_confirm: deque[Watch] = deque()
        self._confirm_next = True
        self._alone: deque[tuple[float, Watch]] = deque()
        self._durations = rule.Median(rule.FIRST_DURATION)
        self._taken_at = -math.inf

    def reconfigure(self, fresh_within_seconds: float, lost_after_seconds: float) -> None:
        """Keep to these from now on; every job keeps its place."""
        self.terms = rule.Terms.fresh(fresh_within_seconds)
        self._fresh_within = fresh_within_seconds
        self._lost_after = lost_after_seconds

    def add(self, watch: Watch, now: float, wall: float) -> None:
        """A job that this process has not looked at yet. `wall`: the time of its row, where `now` is monotonic."""
        job = watch.job
        watch.tracked_at = now - max(0.0, wall - job.tracked_at)
        watch.queued_at = watch.tracked_at if job.queued_at is None else now - max(0.0, wall - job.queued_at)
        if job.job_status is not None:
            watch.work_left = rule.work_left(orjson.loads(job.job_status))
        watch.asked_at = now
        self._waiting.add_new(watch, self._durations.value)

    def next_at(self, earliest: float, gap: float) -> float:
        """From `earliest` on, when the next request is worth sending; infinity if there is nobody to look at."""
        self._forget_ended()
        if self._to_confirm:
            return earliest
        alone_at = max(earliest, self._alone[0][0]) if self._alone else math.inf
        return min(self._shared_at(earliest, gap), alone_at)

    def _shared_at(self, earliest: float, gap: float) -> float:
        """When the next request that several jobs share is worth sending."""
        if self._halves or self._waiting.new >= IDS_MAX:
            return earliest
        due_at = self._waiting.due_at(earliest, self.terms.price_at(gap), self._limits(gap))
        return min(due_at, max(earliest, self._taken_at + self._fresh_within)) if self._waiting.new else due_at

    def _limits(self, gap: float) -> rule.Limits:
        return self.terms.limits_at(gap, len(self._waiting) / IDS_MAX)

    def oldest(self) -> Watch | None:
        """Of those that wait, the one that no request has held for longest."""
        self._forget_ended()
        return self._waiting.oldest()

    def take(self, now: float, gap: float) -> Poll | None:
        """The next request; its jobs are out of the roster until `looked`, `missing`, `refused` or `put_back`."""
        while self._alone and self._alone[0][0] <= now:
            self._to_confirm.append(self._alone.popleft()[1])
        self._forget_ended()
        # In turns, or a thousand ids that Zendesk does not know would keep all others from being looked at.
        confirm = self._to_confirm and (self._confirm_next or self._shared_at(now, gap) > now)
        self._confirm_next = not confirm
        if confirm:
            return Poll(endpoint=Endpoint.SHOW, watches=(self._to_confirm.popleft(),))
        batch = tuple(_alive(self._halves.popleft()) if self._halves else self._fill(now, gap))
        return Poll(endpoint=Endpoint.SHOW_MANY, watches=batch) if batch else None

    def _fill(self, now: float, gap: float) -> list[Watch]:
        self._taken_at = now
        limits = self._limits(gap)
        new: list[Watch] = []
        if self._waiting.new and self._waiting.due_at(now, self.terms.price_at(gap), limits) > now:
            new = self._waiting.take_new(IDS_MAX)
        return new + self._waiting.take(IDS_MAX - len(new), now, limits)

    def _forget_ended(self) -> None:
        """Make sure that whoever is first, wherever, is still to be looked at."""
        self._waiting.forget_ended()
        while self._halves and not any(_alive(self._halves[0])):
            self._halves.popleft()
        while self._to_confirm and self._to_confirm[0].ended:
            self._to_confirm.popleft()
        while self._alone and self._alone[0][1].ended:
            self._alone.popleft()

    def told(self, watch: Watch, job_status: Mapping[str, Any], now: float) -> None:
        """Zendesk's object is not as it was: learn from it when to look again. `looked` follows."""
        if state_of(job_status["status"]).terminal:
            if watch.looked_at > -math.inf:  # else nobody knows when it ended
                self._durations.add(now - watch.tracked_at)
        elif job_status["status"] == "queued":
            watch.queued_at = now
        watch.work_left = rule.work_left(job_status)

    def looked(self, watches: Sequence[Watch], now: float) -> None:
        """Zendesk answered for these jobs."""
        for watch in watches:
            watch.looked_at = now
            watch.misses = 0
            watch.absent_since = NEVER
        self.put_back(watches, now)

    def missing(self, watch: Watch, now: float) -> None:
        """A complete reply did not hold it: counted, and confirmed by the single endpoint now and then."""
        watch.asked_at = watch.looked_at = now
        watch.absent_since = min(watch.absent_since, now)
        watch.misses += 1
        doubled = watch.misses >= CONFIRM_MISSES_MIN and watch.misses & (watch.misses - 1) == 0
        if doubled or self.grace_is_over(watch, now):
            self._to_confirm.append(watch)
        else:
            self.put_back((watch,), now)

    def confirmed_missing(self, watch: Watch, now: float) -> bool:
        """The single endpoint does not know it either. Whether that is proof by now, because the grace time is over."""
        watch.absent_since = min(watch.absent_since, now)
        self.put_back((watch,), now)
        return self.grace_is_over(watch, now)

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

    def put_back(self, watches: Sequence[Watch], now: float) -> None:
        """It counts as a look for the pace whatever came of it, or the loop would spin."""
        shared = [watch for watch in watches if not (watch.alone or watch.ended)]
        self._waiting.add(shared, now, self._durations.value)
        if len(shared) < len(watches):
            for watch in watches:
                if watch.alone:
                    watch.asked_at = now
                    self._alone.append((now + ALONE_SECONDS, watch))


def _alive(watches: Iterable[Watch]) -> Iterator[Watch]:
    return (watch for watch in watches if not watch.ended)
