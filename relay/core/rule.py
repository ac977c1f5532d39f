"""The polling rule: let delay accrue until it is worth a request.

For a job last looked at `unseen` seconds ago and expected to change in `expected` seconds, the delay that has accrued
is what its end would have waited on average, had it come meanwhile. The sum over the jobs that one request holds is
what the request is worth. Intervals grow with the square root of the age, which is what a decaying hazard asks for.
All times are seconds.
"""

import math
from collections.abc import Mapping
from typing import Any

EXPECTED_MIN = 0.1
FALLBACK_WEIGHT = 0.3  # cover against wrong forecasts: what a job accrues by its age alone still counts this much
CAP = 5.0  # times `fresh_within_seconds`: how long a job goes unseen where a cycle through all jobs is shorter
CYCLES = 1.5  # the same where it is longer: in cycles
FIRST_DURATION = 20.0  # before any was seen: what a hundred tickets take
NO_FORECAST = math.inf


def accrued(unseen: float, expected: float) -> float:
    """The delay that waits to be discovered."""
    return unseen * unseen / (2.0 * expected) if unseen < expected else unseen - expected / 2.0


def price(fresh_within: float, gap: float) -> float:
    """What a request must be worth. `gap`: between the requests we may send; the wider, the dearer each is."""
    return max(fresh_within, gap) / 2.0


def unseen_max(fresh_within: float, gap: float, batches: float) -> float:
    """After how long a job is looked at whatever it accrued. `batches`: full requests that a cycle takes."""
    return max(CAP * fresh_within, CYCLES * batches * gap)


def expected_seconds(work_left: float, worked: float, age: float, typical: float) -> float:
    """To the next change. `work_left`: as in `work_left`; `worked`: since last seen queued; `typical`: duration."""
    fallback = max(age, typical)
    if work_left == NO_FORECAST:
        return fallback
    return max(EXPECTED_MIN, min(work_left * worked, fallback / FALLBACK_WEIGHT))


def work_left(job_status: Mapping[str, Any]) -> float:
    """What is still to do as a multiple of what is done; NO_FORECAST where Zendesk does not report progress."""
    progress, total = job_status.get("progress"), job_status.get("total")
    if type(progress) is int and type(total) is int and 0 < progress <= total:
        return (total - progress) / progress
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
