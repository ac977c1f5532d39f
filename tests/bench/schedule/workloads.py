"""Jobs as Zendesk might run them, all drawn beforehand: what is polled, and when, changes nothing in them."""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

RUNNING_MAX = 30  # per account: Zendesk refuses to queue more
RETRY_SECONDS = 10.0  # after which whoever was refused tries again
REPORTING, STALLING, FAILING, ENDLESS = 0.7, 0.15, 0.05, 0.03

Law = Callable[[Random], float]


@dataclass(slots=True, kw_only=True)
class Truth:
    """One job. Seconds since the trace began; `work_ends`: when it would end if it did not fail; the stall in seconds
    of work; `total` None where no progress is reported.
    """

    id: str
    tracked_at: float
    works_at: float
    work_ends: float
    ends_at: float
    total: int | None
    warp: float = 1.0
    stalls_after: float = math.inf
    stalls_for: float = 0.0

    def job_status(self, now: float) -> dict[str, Any]:
        """Zendesk's object at that moment, as far as a schedule can learn from it."""
        if now >= self.ends_at:
            return {"id": self.id, "status": "completed" if self.ends_at == self.work_ends else "failed"}
        if now < self.works_at:
            return {"id": self.id, "status": "queued", "total": self.total, "progress": None}
        progress = None if self.total is None else int(self.total * self._done(now) ** self.warp)
        return {"id": self.id, "status": "working", "total": self.total, "progress": progress}

    def _done(self, now: float) -> float:
        worked = now - self.works_at
        worked -= min(max(0.0, worked - self.stalls_after), self.stalls_for)
        return worked / (self.work_ends - self.works_at - self.stalls_for)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`law`: of the time that jobs work. Bursts of `burst_size` jobs on average come at random and are tracked within
    `burst_seconds`. `reporting`: the part that reports progress. `measured_from`: what ended before does not count.
    """

    name: str
    law: Law
    queue_seconds: float
    seconds: float
    burst_size: float
    jobs_per_second: float
    burst_seconds: float = 0.0
    running_max: int | None = None
    reporting: float = REPORTING
    measured_from: float = 0.0

    def trace(self, seed: int) -> Sequence[Truth]:
        """The jobs in the order in which they are tracked."""
        chance = Random(f"{self.name} {seed}")
        arrivals = sorted(self._arrivals(chance))
        running: list[float] = []
        jobs = []
        for number, arrival in enumerate(arrivals):
            while running and running[0] <= arrival:
                heapq.heappop(running)
            # Whoever finds no place tries again now and then: a new job does not betray that another one has ended.
            full = len(running) == self.running_max
            starts = heapq.heappop(running) + chance.uniform(0.0, RETRY_SECONDS) if full else arrival
            jobs.append(self._job(f"V3-{number:032x}", starts, chance))
            heapq.heappush(running, jobs[-1].ends_at)
        return sorted(jobs, key=lambda job: job.tracked_at)

    def _arrivals(self, chance: Random) -> Iterator[float]:
        now = 0.0
        while (now := now + chance.expovariate(self.jobs_per_second / self.burst_size)) < self.seconds:
            size = 1 + int(math.log(1.0 - chance.random()) / math.log(1.0 - 1.0 / self.burst_size))
            for _ in range(size):
                yield now + chance.uniform(0.0, self.burst_seconds)

    def _job(self, job_id: str, tracked_at: float, chance: Random) -> Truth:
        works_at = tracked_at + chance.expovariate(1.0 / self.queue_seconds)
        work = self.law(chance)
        stalls = chance.random() < STALLING
        stalls_for = chance.uniform(0.1, 0.4) * work if stalls else 0.0
        fails = chance.random() < FAILING
        return Truth(
            id=job_id,
            tracked_at=tracked_at,
            works_at=works_at,
            work_ends=works_at + work,
            ends_at=works_at + work * (chance.random() if fails else 1.0),
            total=chance.randint(10, 100) if chance.random() < self.reporting else None,
            warp=chance.lognormvariate(0.0, 0.25),
            stalls_after=chance.random() * (work - stalls_for) if stalls else math.inf,
            stalls_for=stalls_for,
        )


@dataclass(frozen=True, slots=True)
class LogNormal:
    """`endless`: the part that takes 10 to 60 minutes instead."""

    median: float
    sigma: float
    shortest: float
    endless: float = 0.0

    def __call__(self, chance: Random) -> float:
        if chance.random() < self.endless:
            return chance.uniform(600.0, 3_600.0)
        return min(max(chance.lognormvariate(math.log(self.median), self.sigma), self.shortest), 3_600.0)


LIGHT = Workload(
    name="light",
    law=LogNormal(20.0, 1.4, 1.0, ENDLESS),
    queue_seconds=2.0,
    seconds=4 * 3_600.0,
    burst_size=25.0,
    jobs_per_second=25.0 / 300.0,
    running_max=RUNNING_MAX,
)


def heavy(measured_seconds: float) -> Workload:
    """An hour of warm-up, then what is measured."""
    return Workload(
        name="heavy",
        law=LogNormal(300.0, 1.2, 2.0),
        queue_seconds=120.0,
        seconds=3_600.0 + measured_seconds,
        burst_size=200.0,
        jobs_per_second=27.0,
        burst_seconds=5.0,
        measured_from=3_600.0,
    )


LAWS: dict[str, Law] = {
    "constant": lambda _: 30.0,
    "uniform": lambda chance: chance.uniform(1.0, 60.0),
    "exponential": lambda chance: max(1.0, chance.expovariate(1 / 30.0)),
    "pareto": lambda chance: min(5.0 * chance.paretovariate(1.2), 3_600.0),
    "bimodal": lambda chance: chance.uniform(2.0, 6.0) if chance.random() < 0.7 else chance.uniform(100.0, 200.0),
}
