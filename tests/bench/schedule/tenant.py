"""The production pacer beside other integrations of the account, against a fixed share of the same throughput.

The account's limit, its windows and the others' demand are those of `relay simulate`. We always have something to ask.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from bench.schedule.simulation import ROUND_TRIP

from relay.core.pacing import Pacer, Rate
from relay.core.zendesk import RateHeaders
from relay.simulator.budget import Budget, Reading
from relay.simulator.tenants import Tenants

LIMIT = 400
BUSY = Tenants(requests_per_minute=250, spread=0.4)
RATE = Rate(max_requests_per_minute=100.0)
SECONDS = 6 * 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of ours: what the headers had told before it went, and what came back."""

    at: float
    told: Reading | None
    told_at: float
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """`inflicted`: requests of the others that were refused because of ours."""

    requests: list[Asked]
    inflicted: int


def beside(next_at: Callable[[float], float], heard: Callable[[float, Reading], None], seed: int) -> Neighbour:
    budget = Budget(seed=str(seed))
    now, told, told_at, asked = 0.0, None, 0.0, []
    while (now := next_at(now)) < SECONDS:
        reading = budget.take(now, limit=LIMIT, tenants=BUSY)
        asked.append(Asked(at=now, told=told, told_at=told_at, reading=reading))
        told, told_at = reading, now + ROUND_TRIP
        now += ROUND_TRIP
        heard(now, reading)
    tally = budget.tally(SECONDS, limit=LIMIT, tenants=BUSY)
    return Neighbour(requests=asked, inflicted=tally.refused - tally.refused_alone)


def ours(seed: int) -> Neighbour:
    pacer, jitter = Pacer(RATE, 0.0), Random(seed)

    def next_at(now: float) -> float:
        moment = max(now, pacer.next_at(now))
        while (later := pacer.next_at(moment)) > moment:  # as the poll loop does: asked again when it wakes
            moment = later
        pacer.sent(moment)
        return moment

    def heard(now: float, reading: Reading) -> None:
        pacer.heard(RateHeaders(limit=LIMIT, remaining=reading.remaining, reset_seconds=reading.reset_seconds), now)
        if reading.spent:
            pacer.rate_limited(float(reading.reset_seconds), now, jitter.random())
        else:
            pacer.succeeded()

    return beside(next_at, heard, seed)


def static(per_minute: float, seed: int) -> Neighbour:
    """As many requests in each minute, evenly; it obeys Retry-After, too."""
    sent_at = waits_until = 0.0

    def next_at(now: float) -> float:
        nonlocal sent_at
        sent_at = max(now, sent_at + 60.0 / per_minute, waits_until)
        return sent_at

    def heard(now: float, reading: Reading) -> None:
        nonlocal waits_until
        if reading.spent:
            waits_until = now + reading.reset_seconds

    return beside(next_at, heard, seed)


def excesses(neighbour: Neighbour) -> dict[str, int]:
    """Requests that should not have been sent, by the bound they broke."""
    broken = {"ceiling": 0, "reserve": 0, "Retry-After": 0}
    for before, after in pairwise(neighbour.requests):
        gap, told = after.at - before.at, after.told
        broken["ceiling"] += gap < 60.0 / RATE.max_requests_per_minute
        same_minute = told is not None and after.at < after.told_at + told.reset_seconds - 1.0
        if told is None or not same_minute:
            continue
        floor = gap >= 60.0 / RATE.floor_requests_per_minute
        broken["reserve"] += told.remaining <= RATE.reserve * LIMIT and not floor
        broken["Retry-After"] += told.spent
    return broken
