"""One Zendesk account: its jobs, its rate limit, its job limit, its own stream of chance."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from math import inf
from random import Random
from zlib import crc32

from relay.simulator.budget import WINDOW_SECONDS, Budget
from relay.simulator.kinds import JobKind
from relay.simulator.plan import LIFETIME_SECONDS, Plan
from relay.simulator.planning import Wish, draw
from relay.simulator.scenario import Scenario

KEPT_SECONDS = 2 * LIFETIME_SECONDS  # the truth is told for a day after Zendesk has forgotten a job


class Account:
    """`random`: for what depends on the order of requests (faults, order of replies); jobs have their own."""

    def __init__(self, name: str, *, seed: int, scenario: Scenario) -> None:
        self.name = name
        self.random = Random(f"{seed}/{name}")
        self.throttled_until = -inf
        self.budget = Budget(
            limit=scenario.requests_per_minute,
            tenant_requests=scenario.tenant_requests_per_minute,
            offset_seconds=self.random.uniform(0, WINDOW_SECONDS),
        )
        self._first_read_at: float | None = None
        self._seed = seed
        self._scenario = scenario
        self._id = crc32(name.encode())
        self._by_id: dict[str, Plan] = {}
        self._by_number: dict[int, Plan] = {}
        self._newest = 0
        self._running: list[tuple[float, int, str]] = []  # a heap of (ended_at, number, id)

    def age(self, now: float) -> float:
        """Seconds since this was asked for the first time."""
        if self._first_read_at is None:
            self._first_read_at = now
        return now - self._first_read_at

    def start(self, kind: JobKind, item_ids: Sequence[int | str | None], now: float, wish: Wish) -> Plan:
        self._newest += 1
        plan = draw(
            Random(f"{self._seed}/{self.name}/{self._newest}"),
            self._scenario,
            account=self.name,
            account_id=self._id,
            number=self._newest,
            kind=kind,
            item_ids=item_ids,
            now=now,
            wish=wish,
        )
        self._forget(now)
        self._by_id[plan.id] = self._by_number[plan.number] = plan
        heapq.heappush(self._running, (plan.ended_at, plan.number, plan.id))
        return plan

    def _forget(self, now: float) -> None:
        """Jobs stand in the order of their start, so the oldest are found at once."""
        while self._by_number:
            number, oldest = next(iter(self._by_number.items()))
            if now < oldest.created_at + KEPT_SECONDS:
                break
            del self._by_number[number], self._by_id[oldest.id]

    def find(self, job_id: str, now: float) -> Plan | None:
        """The job as a look-up by id knows it."""
        plan = self._by_id.get(job_id)
        return plan if plan is not None and plan.found_at(now) else None

    def newest_first(self, now: float, before: int | None = None) -> Iterator[Plan]:
        """The jobs that a list holds, from the one started just before number `before` on."""
        start = self._newest if before is None else min(before - 1, self._newest)
        plans = (self._by_number.get(number) for number in range(start, 0, -1))
        return (plan for plan in plans if plan is not None and plan.known_at(now))

    def running(self, now: float, limit: int) -> list[str]:
        """Ids of jobs that have not ended, `limit` of them at most."""
        while self._running and self._running[0][0] <= now:
            heapq.heappop(self._running)
        return [job_id for _, _, job_id in islice(self._running, limit)]

    def plans(self) -> Iterator[Plan]:
        """Every job, oldest first, whether or not Zendesk would still show it."""
        return iter(self._by_number.values())
