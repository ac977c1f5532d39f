"""One account, one poller, in virtual time: nothing but arrivals, requests and replies. Pacing is the production's."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.schedule.policies import Policy
from bench.schedule.workloads import Truth

from relay.core.job import state_of
from relay.core.pacing import Pacer, Rate
from relay.core.zendesk import RateHeaders

ROUND_TRIP = 0.25
LIMIT = 2_500  # of the account, of which nobody else takes anything


@dataclass(slots=True, kw_only=True)
class Result:
    """Delays: from a job's end to the moment we know. `busy_minutes`: with any job open."""

    delays: list[float] = field(default_factory=list)
    requests: int = 0
    busy_minutes: float = 0.0

    def add(self, other: "Result") -> None:
        self.delays += other.delays
        self.requests += other.requests
        self.busy_minutes += other.busy_minutes

    @property
    def mean(self) -> float:
        return sum(self.delays) / len(self.delays)

    def quantile(self, part: float) -> float:
        return sorted(self.delays)[int(part * (len(self.delays) - 1))]

    @property
    def per_job(self) -> float:
        return self.requests / len(self.delays)

    @property
    def per_minute(self) -> float:
        return self.requests / self.busy_minutes


def total(results: Sequence[Result]) -> Result:
    every = Result()
    for result in results:
        every.add(result)
    return every


class Simulation:
    """`begins`: when polling does; jobs that were tracked and have not ended by then are handed in at once."""

    def __init__(self, trace: Sequence[Truth], policy: Policy, rate: Rate, begins: float = 0.0) -> None:
        self._jobs = {job.id: job for job in trace}
        self._arrivals = [job for job in trace if job.ends_at > begins]
        self._policy = policy
        self._pacer = Pacer(rate, begins)
        self._replies: list[tuple[float, float, Sequence[str]]] = []
        self._now = begins
        self._used = self._window = 0

    def run(self, measured_from: float = 0.0, until: float = math.inf) -> Result:
        result = Result(busy_minutes=busy_minutes(self._jobs.values(), measured_from, until))
        arrived = 0
        send_at = math.inf
        while True:
            arrival = self._arrivals[arrived].tracked_at if arrived < len(self._arrivals) else math.inf
            reply = self._replies[0][0] if self._replies else math.inf
            moment = min(arrival, reply, send_at)
            if moment >= until or moment == math.inf:
                return result
            self._now = max(self._now, moment)
            if moment == arrival:
                while arrived < len(self._arrivals) and self._arrivals[arrived].tracked_at <= self._now:
                    self._policy.add(self._arrivals[arrived], self._now)
                    arrived += 1
            elif moment == reply:
                self._hear(result, measured_from)
            elif self._send() and self._now >= measured_from:
                result.requests += 1
            send_at = self._send_at()

    def _send_at(self) -> float:
        allowed_at = self._pacer.next_at(self._now)
        return allowed_at if allowed_at == math.inf else self._policy.next_at(max(self._now, allowed_at), self._pacer)

    def _send(self) -> bool:
        ids = self._policy.take(self._now, self._pacer)
        if ids:
            self._pacer.sent(self._now)
            heapq.heappush(self._replies, (self._now + ROUND_TRIP, self._now + ROUND_TRIP / 2, ids))
        return bool(ids)

    def _hear(self, result: Result, measured_from: float) -> None:
        now, seen_at, ids = heapq.heappop(self._replies)
        self._pacer.heard(self._headers(now), now)
        self._pacer.succeeded()
        statuses = {job_id: self._jobs[job_id].job_status(seen_at) for job_id in ids}
        self._policy.reply(ids, statuses, now)
        for job_id, status in statuses.items():
            job = self._jobs[job_id]
            if state_of(status["status"]).terminal and job.ends_at >= measured_from:
                result.delays.append(now - job.ends_at)

    def _headers(self, now: float) -> RateHeaders:
        window, elapsed = divmod(now, 60.0)
        if window != self._window:
            self._window, self._used = int(window), 0
        self._used += 1
        return RateHeaders(limit=LIMIT, remaining=LIMIT - self._used, reset_seconds=max(1.0, math.ceil(60.0 - elapsed)))


def busy_minutes(jobs: Sequence[Truth], begins: float, until: float) -> float:
    """How long there was anything to wait for."""
    busy = 0.0
    open_until = begins
    for job in sorted(jobs, key=lambda job: job.tracked_at):
        starts, ends = max(job.tracked_at, open_until), min(job.ends_at, until)
        busy += max(0.0, ends - starts)
        open_until = max(open_until, ends)
    return busy / 60.0


def measure(traces: Sequence[Sequence[Truth]], policy: Callable[[], Policy], rate: Rate) -> Result:
    return total([Simulation(trace, policy(), rate).run() for trace in traces])
