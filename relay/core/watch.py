"""A live job in memory. All times are monotonic seconds."""

import math
from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.rule import NO_FORECAST

NOTHING_OWED: Mapping[str, Delivery] = MappingProxyType({})  # shared: most live jobs owe nothing


class Apart:
    """That a job is asked about alone, since Zendesk refuses requests that hold it beside others.

    `since`; `looks`: how often it was asked about alone; `answered`: whether the last such look told anything of it;
    `silenced_seconds`: the Retry-After that the last one brought upon the whole account.
    """

    __slots__ = ("answered", "looks", "silenced_seconds", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.looks = 0
        self.answered = False
        self.silenced_seconds = 0.0


class Watch:
    """A job's committed row, and when it was looked at. The only thing in the core that changes in place.

    `asked_at`: when a request last held it, whatever came of it, or since when it waits for the first; `looked_at`:
    when a reply last told about it, if only that it is not there, -inf before the first. `absent_since`, `misses`:
    since when there is no sign of it, and in how many complete replies it has been missing. `apart`: None: it shares
    requests with others. `tracked_at`: as the row says, but monotonic; `queued_at`: when it was last known to wait for
    its turn; `work_left`: as in the rule. `deliveries`: what is owed or was settled for the job's events so far, by
    sink.
    """

    __slots__ = (
        "absent_since",
        "apart",
        "asked_at",
        "deliveries",
        "ended",
        "job",
        "looked_at",
        "misses",
        "queued_at",
        "tracked_at",
        "work_left",
    )

    def __init__(self, job: Job) -> None:
        self.job = job
        self.deliveries: Mapping[str, Delivery] = NOTHING_OWED
        self.asked_at = -math.inf
        self.looked_at = -math.inf
        self.absent_since = math.inf
        self.tracked_at = math.inf
        self.queued_at = math.inf
        self.work_left = NO_FORECAST
        self.misses = 0
        self.apart: Apart | None = None
        self.ended = False

    @property
    def seen(self) -> bool:
        """Whether Zendesk has shown it before, and not said since that it is not there."""
        return self.job.job_status is not None and not self.misses

    @property
    def unseen_since(self) -> float:
        """When a reply last told about it, or, before the first, when it was tracked."""
        looked_at, tracked_at = self.looked_at, self.tracked_at
        return looked_at if looked_at > tracked_at else tracked_at  # noqa: FURB136 - asked of every job of every reply


def longest_unseen(watches: Iterable[Watch]) -> Watch | None:
    """The one of which nothing was heard for longest; of several, the first."""
    return min(watches, key=attrgetter("unseen_since"), default=None)
