"""The jobs that wait for their next look, the dearest found without looking at all of them.

Jobs with about the same outlook stand in one lane, in the order in which they were looked at: its head is its dearest.
The dearest of all are a merge over the heads, of which there are a few dozen however many jobs there are.
All times are monotonic seconds.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import log

from relay.core.rule import EXPECTED_MIN, LATE_PART, NO_FORECAST, Limits, accrued, expected_seconds
from relay.core.watch import Watch, longest_unseen
from relay.core.zendesk import IDS_MAX

STEPS_PER_E = 5.0  # expectations within a fifth of each other count as the same
STEPS_BELOW = 12  # from EXPECTED_MIN to a second
ENOUGH = 0.999  # of the price: the last of many small steps towards it is not worth a wake-up
SOLVER_STEPS_MAX = 8
LOOK_AHEAD_SECONDS = 1.0  # who will be dearest: right after a look, nobody is
LATE = 1e9  # dearer than whatever can accrue


class Lane:
    """Jobs with about the same outlook, the longest unseen first."""

    __slots__ = ("expected", "forecast", "watches")

    def __init__(self, expected: float, *, forecast: bool) -> None:
        self.expected = expected
        self.forecast = forecast
        self.watches: deque[Watch] = deque()

    def late_at(self, limits: Limits) -> float:
        return self.watches[0].asked_at + self._limit(limits)

    def _limit(self, limits: Limits) -> float:
        return max(limits[self.forecast], LATE_PART * self.expected)

    def urgency(self, watch: Watch, now: float, limits: Limits) -> float:
        """What the job accrued, or, where it is late, more than any job can accrue."""
        unseen = now - watch.asked_at
        if unseen >= self._limit(limits):
            return LATE + unseen
        expected = self.expected
        return unseen * unseen / (2.0 * expected) if unseen < expected else unseen - expected / 2.0


NOBODY_IS_LATE = Limits(math.inf, math.inf)
NEW = -1_000_000  # the lane of those that were never looked at


class Waiting:
    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
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
        lane = self._lanes.get(NEW)
        if lane is None:
            lane = self._lanes[NEW] = Lane(expected, forecast=False)
        lane.expected = expected
        lane.watches.append(watch)
        self._size += 1

    def add(self, watches: Sequence[Watch], now: float, typical: float) -> None:
        """Jobs that a request held until now. `typical`: how many seconds the account's jobs take."""
        self._size += len(watches)
        lanes = self._lanes
        for watch in watches:
            # Every job of every reply passes here: what costs a call more is written out.
            watch.asked_at = now
            left = watch.work_left
            expected = expected_seconds(left, now - watch.queued_at, now - watch.tracked_at, typical)
            key = 2 * int(STEPS_PER_E * log(expected) + STEPS_BELOW) if expected > EXPECTED_MIN else 0
            if left != NO_FORECAST:
                key += 1
            lane = lanes.get(key)
            if lane is None:
                lane = lanes[key] = _lane(key)
            lane.watches.append(watch)

    def oldest(self) -> Watch | None:
        """The one of which nothing was heard for longest, give or take a lane: they are in the order of requests, which
        while Zendesk does not answer is another.
        """
        return longest_unseen(lane.watches[0] for lane in self._lanes.values())

    def forget_ended(self) -> None:
        """Make sure that the head of each lane is still to be looked at."""
        for key in [key for key, lane in self._lanes.items() if lane.watches[0].ended]:
            while key in self._lanes and self._lanes[key].watches[0].ended:
                self._pop(key)

    def _pop(self, key: int) -> None:
        watches = self._lanes[key].watches
        watches.popleft()
        self._size -= 1
        if not watches:
            del self._lanes[key]

    def due_at(self, earliest: float, price: float, limits: Limits, ids_max: int = IDS_MAX) -> float:
        """From `earliest` on, when a request is worth the price or somebody is late; infinity if nobody waits.

        It may be a little too early where much of the delay grows in proportion to time: ask again then.
        """
        if not self._lanes:
            return math.inf
        latest = min(lane.late_at(limits) for lane in self._lanes.values())
        if latest <= earliest:
            return earliest
        crowded = self._size > ids_max
        if crowded and self._is_worth(price, earliest, ids_max):
            return earliest
        dearest = self._dearest(earliest + LOOK_AHEAD_SECONDS, ids_max) if crowded else self._everybody()
        moment = earliest
        for _ in range(SOLVER_STEPS_MAX):
            worth, slope, bend = _worth(dearest, moment)
            missing = price - worth
            if missing <= (1.0 - ENOUGH) * price:
                break
            # The worth at most follows this parabola from here on.
            moment += 2.0 * missing / (slope + math.sqrt(slope * slope + 2.0 * bend * missing))
            if moment >= latest:
                return latest
        return moment

    def _is_worth(self, price: float, now: float, ids_max: int) -> bool:
        """Whether one job of each lane is worth the price alone, which saves the closer look."""
        heads = islice(self._lanes.values(), ids_max)
        return sum(accrued(now - lane.watches[0].asked_at, lane.expected) for lane in heads) >= price

    def _everybody(self) -> list[tuple[float, float]]:
        """(asked at, expected)"""
        lanes = self._lanes.values()
        return [(watch.asked_at, lane.expected) for lane in lanes for watch in lane.watches if not watch.ended]

    def _dearest(self, now: float, ids_max: int) -> list[tuple[float, float]]:
        """The same, of those that a request would hold then."""
        by_urgency = self._by_urgency(now, NOBODY_IS_LATE)
        alive = ((watch.asked_at, self._lanes[key].expected) for key, watch in by_urgency if not watch.ended)
        return list(islice(alive, ids_max))

    def take_new(self, count: int) -> list[Watch]:
        """At most so many of those that were never looked at. They wait no more."""
        taken: list[Watch] = []
        while self.new and len(taken) < count:
            taken.extend(watch for watch in (self._lanes[NEW].watches[0],) if not watch.ended)
            self._pop(NEW)
        return taken

    def take(self, count: int, now: float, limits: Limits) -> list[Watch]:
        """At most so many: first those that are late, then the dearest. They wait no more."""
        if self._size <= count:
            everybody = [watch for lane in self._lanes.values() for watch in lane.watches if not watch.ended]
            self._lanes.clear()
            self._size = 0
            return everybody
        taken: list[Watch] = []
        keys: list[int] = []
        for key, watch in self._by_urgency(now, limits):
            if len(taken) == count:
                break
            keys.append(key)
            if not watch.ended:
                taken.append(watch)
        for key in keys:
            self._pop(key)
        return taken

    def _by_urgency(self, now: float, limits: Limits) -> Iterator[tuple[int, Watch]]:
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


def _lane(key: int) -> Lane:
    """For the middle of its step; odd ones for jobs with a forecast."""
    return Lane(math.exp((key // 2 + 0.5 - STEPS_BELOW) / STEPS_PER_E), forecast=bool(key % 2))


def _worth(jobs: Iterable[tuple[float, float]], now: float) -> tuple[float, float, float]:
    """What they accrued, with its first and second derivative."""
    worth = slope = bend = 0.0
    for asked_at, expected in jobs:
        unseen = now - asked_at
        if unseen < expected:
            worth += unseen * unseen / (2.0 * expected)
            slope += unseen / expected
            bend += 1.0 / expected
        else:
            worth += unseen - expected / 2.0
            slope += 1.0
    return worth, slope, bend
