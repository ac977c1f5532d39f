"""Jobs that no shared request may hold, since Zendesk refuses it as a whole for their sake.

They are unknown to it, where it answers 404 for one id that it does not know, or it stumbles over them. Each is asked
about alone, ever more rarely, and every so often in a request for many that holds nobody else: once that is answered
the job shares requests again. All times are monotonic seconds.
"""

import heapq
import math
from collections.abc import Iterator
from itertools import count

from relay.core.watch import Apart, Watch
from relay.core.zendesk import Endpoint

FIRST_SECONDS = 4.0  # from one look to the next; later as long again as it has been apart
UNANSWERED_PART = 0.25  # or, while nothing is told of it, so much of the time since something was
ANSWERED_SECONDS_MAX = 60.0
UNANSWERED_SECONDS_MAX = 300.0
SILENCE_MAX = 0.05  # of the time: so much of it one job's looks may keep its account waiting


class Quarantine:
    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Watch]] = []
        self._numbers = count()

    def put(self, watch: Watch, now: float, answered_seconds_max: float) -> None:
        """One that is apart waits for its next look; not for longer than this if the last one told anything of it."""
        apart = watch.apart
        assert apart is not None  # noqa: S101 - it was isolated
        if apart.answered:
            seconds = min(now - apart.since, ANSWERED_SECONDS_MAX, answered_seconds_max)
        else:
            unanswered = now - max(apart.since, watch.looked_at)
            seconds = min(UNANSWERED_PART * unanswered, UNANSWERED_SECONDS_MAX)
            seconds = max(seconds, apart.silenced_seconds / SILENCE_MAX)
        heapq.heappush(self._heap, (now + max(seconds, FIRST_SECONDS), next(self._numbers), watch))

    def excuse(self, watch: Watch, now: float) -> None:
        """The last look failed, but so does everything: the next one is not put off for that."""
        watch.asked_at = now
        heapq.heappush(self._heap, (now + FIRST_SECONDS, next(self._numbers), watch))

    def due_at(self) -> float:
        """When the first of them is due; infinity: nobody is here."""
        return self._heap[0][0] if self._heap else math.inf

    def take(self) -> Watch:
        """The first of them, which waits no more."""
        return heapq.heappop(self._heap)[2]

    def forget_ended(self) -> None:
        """Make sure that the first is still to be looked at."""
        while self._heap and self._heap[0][2].ended:
            heapq.heappop(self._heap)

    def __len__(self) -> int:
        """How many; those that ended meanwhile count until they are come across."""
        return len(self._heap)

    def __iter__(self) -> Iterator[Watch]:
        return (watch for _, _, watch in self._heap if not watch.ended)


def begin_look(apart: Apart, *, overdue: bool) -> Endpoint:
    """By which call: show_many at the first, second, fourth, eighth … look, to see whether it is still refused there.

    `overdue`: it has been absent for so long that only show_many's own word is missing, unless that is not to be had.
    """
    last_word = overdue and apart.answered
    apart.looks += 1
    apart.answered = False
    apart.silenced_seconds = 0.0
    return Endpoint.SHOW if apart.looks & (apart.looks - 1) and not last_word else Endpoint.SHOW_MANY
