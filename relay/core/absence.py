"""What proves that Zendesk does not know a job: replies over the whole grace time that agree, and the single endpoint's
word at its end. All times are monotonic seconds.
"""

import math
from dataclasses import dataclass

from relay.core.watch import Watch

NEVER = math.inf
CONFIRM_MISSES_MIN = 2  # a fresh job is often missing once
PARTS = 4  # no two replies prove an absence for longer than this part of the grace time
LOOKS_PER_PART = 1.25  # a job that is apart is looked at a little more often than that


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """`seconds`: for how long replies must agree. `unseen_seconds_max`: as far apart as looks are meant to be."""

    seconds: float
    unseen_seconds_max: float

    @property
    def countable_seconds(self) -> float:
        """How much of the time between two replies counts at most: a time without any is no part of the grace."""
        return max(self.seconds / PARTS, self.unseen_seconds_max)

    def missed(self, watch: Watch, now: float) -> None:
        """A complete reply did not hold it."""
        if watch.absent_since == NEVER:
            watch.absent_since = now
        else:
            watch.absent_since += max(0.0, now - watch.looked_at - self.countable_seconds)
        if watch.apart is not None:
            watch.apart.answered = True
        watch.asked_at = watch.looked_at = now
        watch.misses += 1

    def is_over(self, watch: Watch) -> bool:
        """Whether the last word is all that is missing."""
        return watch.looked_at - watch.absent_since >= self.seconds

    def asks_for_confirmation(self, watch: Watch) -> bool:
        """Now and then, since a job that many look-ups miss may be there, and always once the grace is over."""
        doubled = watch.misses >= CONFIRM_MISSES_MIN and watch.misses & (watch.misses - 1) == 0
        return doubled or self.is_over(watch)

    def ends_at(self, watch: Watch) -> float:
        """When it will be over if nothing else is heard; infinity: it has not begun."""
        return watch.absent_since + self.seconds

    def look_within(self, watch: Watch, now: float) -> float:
        """Seconds in which one that is absent has to be looked at again, for the time between to count."""
        left = self.ends_at(watch) - now
        return min(self.countable_seconds / LOOKS_PER_PART, left if left > 0.0 else NEVER)


def begin_anew(watch: Watch) -> None:
    """Something speaks for its being there: whatever was counted counts no more."""
    watch.absent_since, watch.misses = NEVER, 0
