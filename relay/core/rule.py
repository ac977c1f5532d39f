"""The polling rule: let delay accrue until it is worth a request.

For a job last looked at `unseen` seconds ago and expected to change in `expected` seconds, the delay that has accrued
is what its end would have waited on average, had it come meanwhile. The sum over the jobs that one request holds is
what the request is worth. Intervals grow with the square root of the age, which is what a decaying hazard asks for.
All times are seconds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

EXPECTED_MIN = 0.1
FALLBACK_WEIGHT = 0.3  # cover against wrong forecasts: what a job accrues by its age alone still counts this much
PATIENCE = 3.0  # a job whose end is forecast may go unseen for so many times longer than others
LATE_PART = 0.005  # of the time to its expected change: nobody is late before, for a job may be stuck for a day
CYCLES = 1.25  # nobody goes unseen for longer than this many cycles through all jobs, where that is longer
FIRST_DURATION = 20.0  # before any was seen: about what a hundred tickets take
UNDERWAY = 0.5  # how much of the item that is being worked on is done, on average
NO_FORECAST = math.inf


class Limits(NamedTuple):
    """After how many seconds unseen a job is late, and one with a forecast."""

    plain: float
    forecast: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which a request is sent. `price`: what it must be worth; `unseen_max`: after how long a job is looked at
    whatever it accrued. Both are for an ample budget; `gap` is the seconds between the requests that we may send.
    """

    price: float
    unseen_max: float

    @classmethod
    def fresh(cls, within_seconds: float) -> "Terms":
        """As configured."""
        return cls(price=0.45 * within_seconds, unseen_max=5.0 * within_seconds)

    def price_at(self, gap: float) -> float:
        """The wider the gap, the dearer a request."""
        return max(self.price, gap / 2.0)

    def limits_at(self, gap: float, batches: float) -> Limits:
        """`batches`: full requests that a cycle through all jobs takes."""
        cycles = CYCLES * batches * gap
        return Limits(max(self.unseen_max, cycles), max(PATIENCE * self.unseen_max, cycles))


def accrued(unseen: float, expected: float) -> float:
    """The delay that waits to be discovered."""
    return unseen * unseen / (2.0 * expected) if unseen < expected else unseen - expected / 2.0


def expected_seconds(work_left: float, worked: float, age: float, typical: float) -> float:
    """From a look to the job's next change. `work_left`: as in `work_left`; `worked`: seconds since last seen queued;
    `typical`: how long the account's jobs take.
    """
    # Comparisons instead of min and max: every job of every reply passes here.
    fallback = age if age > typical else typical  # noqa: FURB136
    if work_left == NO_FORECAST:
        return fallback
    forecast = work_left * worked
    believable = fallback / FALLBACK_WEIGHT
    return forecast if forecast < believable else believable  # noqa: FURB136


def work_left(job_status: Mapping[str, Any]) -> float:
    """What is still to do as a multiple of what is done; NO_FORECAST where Zendesk does not report progress."""
    progress, total = job_status.get("progress"), job_status.get("total")
    if type(progress) is int and type(total) is int and 0 < progress <= total:
        return max(0.0, total - progress - UNDERWAY) / (progress + UNDERWAY)
    return NO_FORECAST


class Median:
    """A running median in constant space: each value pulls it by a step, in the logarithm."""

    STEP_MIN = 0.05

    __slots__ = ("_seen", "value")

    def __init__(self, value: float) -> None:
        self.value = value
        self._seen = 0

    def add(self, value: float) -> None:
        self._seen += 1
        distance = math.log(max(value, EXPECTED_MIN) / self.value)
        step = max(1.0 / self._seen, self.STEP_MIN)
        self.value *= math.exp(math.copysign(min(abs(distance), step), distance))
