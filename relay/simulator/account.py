"""One Zendesk account: its jobs, its rate limit, its tokens, its own streams of chance."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from random import Random
from zlib import crc32

from relay.simulator.budget import Budget
from relay.simulator.kinds import JobKind
from relay.simulator.oauth import Grants
from relay.simulator.plan import Plan
from relay.simulator.planning import NewJob, Wish, draw
from relay.simulator.scenario import DAY_SECONDS, Scenario
from relay.simulator.tenants import WINDOW_SECONDS

KEPT_SECONDS = 2 * DAY_SECONDS  # the truth is told for a day after Zendesk has forgotten a job


class Account:
    """`random`: for what depends on the order of requests (faults, order of replies); jobs have their own."""

    def __init__(self, name: str, *, seed: int, clients: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.random = Random(f"{seed}/{name}")
        self.throttled_until = -inf
        self.budget = Budget(seed=f"{seed}/{name}/tenants", offset_seconds=self.random.uniform(0, WINDOW_SECONDS))
        self.grants = Grants(Random(f"{seed}/{name}/tokens"), clients)
        self._first_asked_at: float | None = None
        self._seed = seed
        self._id = crc32(name.encode())
        self._by_id: dict[str, Plan] = {}
        self._by_number: dict[int, Plan] = {}
        self._newest = 0
        self._running: list[tuple[float, int, str]] = []  # a heap of (ended_at, number, id)
        self._ended: list[tuple[float, int]] = []  # (ended_at, number), ascending

    def age(self, now: float) -> float:
        """Seconds since this was asked for the first time."""
        if self._first_asked_at is None:
            self._first_asked_at = now
        return now - self._first_asked_at

    def start(
        self, kind: JobKind, item_ids: Sequence[int | str | None], *, now: float, wish: Wish, scenario: Scenario
    ) -> Plan:
        self._newest += 1
        job = NewJob(account=self.name, account_id=self._id, number=self._newest, kind=kind, item_ids=item_ids)
        plan = draw(Random(f"{self._seed}/{self.name}/{self._newest}"), scenario, job, now=now, wish=wish)
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
            del self._by_number[number]
            self._by_id.pop(oldest.id, None)
        if len(self._ended) > 2 * len(self._by_number) + 1_000:
            self._ended = [key for key in self._ended if key[1] in self._by_number]

    def find(self, job_id: str, now: float) -> Plan | None:
        """The job as a look-up by id knows it."""
        plan = self._by_id.get(job_id)
        return plan if plan is not None and plan.found_at(now) else None

    def job(self, number: int) -> Plan | None:
        return self._by_number.get(number)

    @property
    def newest(self) -> int:
        """The number of the job started last; numbers begin with 1."""
        return self._newest

    def ended(self, now: float) -> Sequence[tuple[float, int]]:
        """(ended_at, number) of the jobs that have ended, ascending."""
        self._settle(now)
        return self._ended

    def running(self, now: float, limit: int) -> list[str]:
        """Ids of jobs that have not ended, `limit` of them at most."""
        self._settle(now)
        return [job_id for _, _, job_id in islice(self._running, limit)]

    def _settle(self, now: float) -> None:
        while self._running and self._running[0][0] <= now:
            ended_at, number, _ = heapq.heappop(self._running)
            self._ended.append((ended_at, number))

    def plans(self) -> Iterator[Plan]:
        """Every job, oldest first, whether or not Zendesk would still show it."""
        return iter(self._by_number.values())
