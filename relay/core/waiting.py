"""The jobs that wait for their next look, the dearest found without looking at all of them.

Jobs of about the same expectation stand in one queue, in the order in which they were looked at: its head is its
dearest. The dearest of all are a merge over the heads, of which there are a few dozen however many jobs there are.
All times are monotonic seconds.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter

from relay.core.rule import accrued
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX

STEPS_PER_E = 5.0  # expectations within a fifth of each other count as the same
ENOUGH = 0.999  # of the price: the last of many small steps towards it is not worth a wake-up
SOLVER_STEPS_MAX = 8
LATE = 1e9  # dearer than whatever can accrue


class Waiting:
    def __init__(self) -> None:
        self._queues: dict[int, deque[Watch]] = {}
        self._size = 0

    def __len__(self) -> int:
        """How many; those that ended meanwhile count until they are come across."""
        return self._size

    def add(self, watch: Watch, expected: float) -> None:
        """A job that a request held until now, later than any that waits. `expected`: seconds to its next change."""
        step = math.floor(math.log(expected) * STEPS_PER_E)
        queue = self._queues.get(step)
        if queue is None:
            queue = self._queues[step] = deque()
        queue.append(watch)
        self._size += 1

    def oldest(self) -> Watch | None:
        """The one that no request has held for longest."""
        self._forget_ended()
        return min((queue[0] for queue in self._queues.values()), key=_asked_at, default=None)

    def _forget_ended(self) -> None:
        for step in [step for step, queue in self._queues.items() if queue[0].ended]:
            while step in self._queues and self._queues[step][0].ended:
                self._pop(step)

    def _pop(self, step: int) -> None:
        queue = self._queues[step]
        queue.popleft()
        self._size -= 1
        if not queue:
            del self._queues[step]

    def due_at(self, earliest: float, price: float, unseen_max: float) -> float:
        """From `earliest` on, when a request is worth the price or somebody is unseen for too long; else infinity.

        It may be a little too early where much of the delay grows in proportion to time: ask again then.
        """
        oldest = self.oldest()
        if oldest is None:
            return math.inf
        latest = max(earliest, oldest.asked_at + unseen_max)
        moment = earliest
        for _ in range(SOLVER_STEPS_MAX):
            if moment >= latest:
                break
            worth, slope, bend = self._worth(moment, price)
            missing = price - worth
            if missing <= (1.0 - ENOUGH) * price:
                return moment
            # The worth at most follows this parabola from here on.
            moment += 2.0 * missing / (slope + math.sqrt(slope * slope + 2.0 * bend * missing))
        return min(moment, latest)

    def _worth(self, now: float, enough: float) -> tuple[float, float, float]:
        """What the dearest jobs that fit into one request accrued, with its first and second derivative."""
        worth = slope = bend = 0.0
        for expected, watch in self._dearest(now):
            unseen = now - watch.asked_at
            worth += accrued(unseen, expected)
            if unseen < expected:
                slope += unseen / expected
                bend += 1.0 / expected
            else:
                slope += 1.0
            if worth >= enough:
                break
        return worth, slope, bend

    def _dearest(self, now: float) -> Iterator[tuple[float, Watch]]:
        if self._size > IDS_MAX:
            alive = (place for place in self._by_urgency(now, math.inf) if not place[2].ended)
            return ((_expected(step), watch) for _, step, watch in islice(alive, IDS_MAX))
        return (
            (expected, watch)
            for step, queue in self._queues.items()
            for expected in (_expected(step),)
            for watch in queue
            if not watch.ended
        )

    def take(self, count: int, now: float, unseen_max: float) -> list[Watch]:
        """At most so many: first those that are unseen for too long, then the dearest. They wait no more."""
        taken: list[Watch] = []
        steps: list[int] = []
        for _, step, watch in self._by_urgency(now, unseen_max):
            if len(taken) == count:
                break
            steps.append(step)
            if not watch.ended:
                taken.append(watch)
        for step in steps:
            self._pop(step)
        return taken

    def _by_urgency(self, now: float, unseen_max: float) -> Iterable[tuple[float, int, Watch]]:
        lanes = [_lane(step, queue, now, unseen_max) for step, queue in self._queues.items()]
        return heapq.merge(*lanes, key=itemgetter(0), reverse=True)


def _lane(step: int, queue: deque[Watch], now: float, unseen_max: float) -> Iterator[tuple[float, int, Watch]]:
    expected = _expected(step)
    for watch in queue:
        unseen = now - watch.asked_at
        yield (accrued(unseen, expected) if unseen < unseen_max else LATE + unseen), step, watch


def _expected(step: int) -> float:
    """The middle of the step."""
    return math.exp((step + 0.5) / STEPS_PER_E)


def _asked_at(watch: Watch) -> float:
    return watch.asked_at
