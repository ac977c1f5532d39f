"""How many ids one request may hold, as far as is known of an account.

No cap on show_many is documented; its siblings refuse more ids than they take with 400 and a `max_count`, and whatever
stands in front of them refuses long urls. All times are monotonic seconds.
"""

import math
from dataclasses import dataclass, replace

from relay.core.zendesk import IDS_MAX

LARGER_SECONDS = 3_600.0  # between two attempts to ask for more: what was refused may be taken one day


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimit:
    """`ids_max`: of what requests hold. `larger_at`: when one of them holds more, to see whether it is taken by now.

    `suspected`: so many ids were refused as one request and taken in parts; 0: none were, or as many were taken since.
    """

    ids_max: int = IDS_MAX
    larger_at: float = math.inf
    suspected: int = 0

    def size(self, now: float) -> int:
        """How many ids the next request may hold."""
        return min(2 * self.ids_max, IDS_MAX) if now >= self.larger_at else self.ids_max

    def sent(self, size: int, now: float) -> "BatchLimit":
        """A request of this size goes out: larger than usual once an hour, whatever comes of it."""
        return replace(self, larger_at=now + LARGER_SECONDS) if size > self.ids_max else self

    def answered(self, size: int, now: float) -> "BatchLimit":
        """Zendesk took a request of this size."""
        if size > self.ids_max:
            return BatchLimit(ids_max=size, larger_at=now if size < IDS_MAX else math.inf)
        return replace(self, suspected=0) if 0 < self.suspected <= size else self

    def told(self, ids_max: int, now: float) -> "BatchLimit":
        """Zendesk refused a request and said how many ids it takes."""
        return BatchLimit(ids_max=min(ids_max, IDS_MAX), larger_at=now + LARGER_SECONDS)

    def taken_in_parts(self, size: int, largest: int, now: float) -> "BatchLimit":
        """A request of this size was refused, but each of its parts was taken, of which the largest held so many.

        Once may be chance, or a job that was at fault and has ended meanwhile; the second time in a row it is the size.
        """
        if not self.suspected:
            return replace(self, suspected=size)
        return BatchLimit(ids_max=min(self.ids_max, largest), larger_at=now + LARGER_SECONDS)
