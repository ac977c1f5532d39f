"""The jobs that wait for their next look, the dearest found without looking at all of them.

Jobs with about the same outlook stand in one lane, in the order in which they were looked at: its head is its dearest.
The dearest of all are a merge over the heads, of which there are a few dozen however many jobs there are.
All times are monotonic seconds.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterator
from itertools import islice

from relay.core.rule import Limits, Outlook, accrued
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX

STEPS_PER_E = 5.0  # expectations within a fifth of each other count as the same
ENOUGH = 0.999  # of the price: the last of many small steps towards it is not worth a wake-up
SOLVER_STEPS_MAX = 8
LATE = 1e9  # dearer than whatever can accrue


class Lane:
    """Jobs with about the same outlook, the longest unseen first."""

    __slots__ = ("expected", "forecast", "watches")

    def __init__(self, outlook: Outlook) -> None:
        self.expected, self.forecast = outlook
        self.watches: deque[Watch] = deque()

    def late_at(self, limits: Limits) -> float:
        return self.watches[0].asked_at + limits[self.forecast]

    def urgency(self, watch: Watch, now: float, limits: Limits) -> float:
        """What the job accrued, or, where it is late, more than any job can accrue."""
        unseen = now - watch.asked_at
        return accrued(unseen, self.expected) if unseen < limits[self.forecast] else LATE + unseen


NOBODY_IS_LATE = Limits(math.inf, math.inf)
NEW = (0, None)  # the lane of those that were never looked at
_Key = tuple[int, bool | None]


class Waiting:
    def __init__(self) -> None:
        self._lanes: dict[_Key, Lane] = {}
        self._size = 0

    def __len__(self) -> int:
        """How many; those that ended meanwhile count until they are come across."""
        return self._size

    @property
    def new(self) -> int:
        """How many of them were never looked at; counted likewise."""
        lane = self._lanes.get(NEW)
        return 0 if lane is None else len(lane.watches)

    def add_new(self, watch: Watch, expected: float) -> None:
        """A job that was never looked at, but counts as if it had been just now."""
        self._add(NEW, Outlook(expected), watch)
        self._lanes[NEW].expected = expected

    def add(self, watch: Watch, outlook: Outlook) -> None:
        """A job that a request held until now, later than any that waits."""
        step = math.floor(math.log(outlook.expected) * STEPS_PER_E)
        self._add((step, outlook.forecast), outlook, watch)

    def _add(self, key: _Key, outlook: Outlook, watch: Watch) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(outlook)
        lane.watches.append(watch)
        self._size += 1

    def oldest(self) -> Watch | None:
        """The one that no request has held for longest."""
        return min((lane.watches[0] for lane in self._lanes.values()), key=_asked_at, default=None)

    def forget_ended(self) -> None:
        """Make sure that the head of each lane is still to be looked at."""
        for key in [key for key, lane in self._lanes.items() if lane.watches[0].ended]:
            while key in self._lanes and self._lanes[key].watches[0].ended:
                self._pop(key)

    def _pop(self, key: _Key) -> None:
        watches = self._lanes[key].watches
        watches.popleft()
        self._size -= 1
        if not watches:
            del self._lanes[key]

    def due_at(self, earliest: float, price: float, limits: Limits) -> float:
        """From `earliest` on, when a request is worth the price or somebody is late; infinity if nobody waits.

        It may be a little too early where much of the delay grows in proportion to time: ask again then.
        """
        if not self._lanes:
            return math.inf
        latest = max(earliest, min(lane.late_at(limits) for lane in self._lanes.values()))
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
            if unseen < expected:
                worth += unseen * unseen / (2.0 * expected)
                slope += unseen / expected
                bend += 1.0 / expected
            else:
                worth += unseen - expected / 2.0
                slope += 1.0
            if worth >= enough:
                break
        return worth, slope, bend

    def _dearest(self, now: float) -> Iterator[tuple[float, Watch]]:
        if self._size > IDS_MAX:
            by_urgency = self._by_urgency(now, NOBODY_IS_LATE)
            alive = ((self._lanes[key].expected, watch) for key, watch in by_urgency if not watch.ended)
            return islice(alive, IDS_MAX)
        return ((lane.expected, watch) for lane in self._lanes.values() for watch in lane.watches if not watch.ended)

    def take_new(self, count: int) -> list[Watch]:
        """At most so many of those that were never looked at. They wait no more."""
        taken: list[Watch] = []
        while self.new and len(taken) < count:
            taken.extend(watch for watch in (self._lanes[NEW].watches[0],) if not watch.ended)
            self._pop(NEW)
        return taken

    def take(self, count: int, now: float, limits: Limits) -> list[Watch]:
        """At most so many: first those that are late, then the dearest. They wait no more."""
        taken: list[Watch] = []
        keys: list[_Key] = []
        for key, watch in self._by_urgency(now, limits):
            if len(taken) == count:
                break
            keys.append(key)
            if not watch.ended:
                taken.append(watch)
        for key in keys:
            self._pop(key)
        return taken

    def _by_urgency(self, now: float, limits: Limits) -> Iterator[tuple[_Key, Watch]]:
        lanes = list(self._lanes.items())
        heap = [(-lane.urgency(lane.watches[0], now, limits), number, 0) for number, (_, lane) in enumerate(lanes)]
        heapq.heapify(heap)
        while heap:
            _, number, position = heap[0]
            key, lane = lanes[number]
            yield key, lane.watches[position]
            position += 1
            if position < len(lane.watches):
                urgency = lane.urgency(lane.watches[position], now, limits)
                heapq.heapreplace(heap, (-urgency, number, position))
            else:
                heapq.heappop(heap)


def _asked_at(watch: Watch) -> float:
    return watch.asked_at
