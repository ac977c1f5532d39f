"""Draws a job's plan from its own seeded randomness, so that no job depends on what happens to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from random import Random

from relay.simulator.kinds import MISLEADING_JOB_TYPE, JobKind
from relay.simulator.plan import LIFETIME_SECONDS, Fate, Plan, Step
from relay.simulator.scenario import Memory, Pace, Scenario

STEPS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller may fix of a job's plan; None leaves it to the scenario."""

    fate: Fate | None = None
    queue_seconds: float | None = None
    work_seconds: float | None = None


def draw(  # noqa: PLR0913 - what a plan is made of
    random: Random,
    scenario: Scenario,
    *,
    account: str,
    account_id: int,
    number: int,
    kind: JobKind,
    item_ids: Sequence[int | str | None],
    now: float,
    wish: Wish,
) -> Plan:
    """A plan for a job of these items; an item without an id gets a new one."""
    total = len(item_ids)
    job_id = f"V3-{random.getrandbits(128):032x}"
    fate = wish.fate or _fate(random, scenario)
    queue_seconds, work_seconds = _durations(random, scenario.pace, wish)
    working_at = now + queue_seconds
    ended_at = working_at + work_seconds
    hidden_until, gone_at = _memory(random, scenario.memory, now, ended_at)
    first_id = random.randrange(1_000, 10_000_000)
    return Plan(
        id=job_id,
        account=account,
        account_id=account_id,
        number=number,
        kind=kind,
        fate=fate,
        total=total,
        created_at=now,
        working_at=working_at,
        ended_at=inf if fate is Fate.STUCK else ended_at,
        steps=_steps(random, fate, total, working_at, ended_at),
        failed=_failed(random, fate, total),
        item_ids=tuple(first_id + index if item is None else item for index, item in enumerate(item_ids)),
        job_type=random.choice((kind.job_type, kind.job_type, None, MISLEADING_JOB_TYPE)),
        terse=random.random() < 0.3,
        old_dates=random.random() < 0.2,
        hidden_until=hidden_until,
        gone_at=gone_at,
    )


def _fate(random: Random, scenario: Scenario) -> Fate:
    fates, weights = zip(*scenario.fates, strict=True)
    chosen: Fate = random.choices(fates, weights)[0]
    return chosen


def _durations(random: Random, pace: Pace, wish: Wish) -> tuple[float, float]:
    queue_seconds = random.uniform(*pace.queue_seconds)
    work_seconds = random.uniform(*pace.work_seconds)
    jumps = random.random() < pace.jump
    if wish.queue_seconds is None and wish.work_seconds is None:
        return (queue_seconds + work_seconds, 0.0) if jumps else (queue_seconds, work_seconds)
    return (
        queue_seconds if wish.queue_seconds is None else wish.queue_seconds,
        work_seconds if wish.work_seconds is None else wish.work_seconds,
    )


def _steps(random: Random, fate: Fate, total: int, working_at: float, ended_at: float) -> tuple[Step, ...]:
    """Uneven in time and size. A job that does not complete stops somewhere on its way."""
    reachable = total if fate in (Fate.SUCCEEDED, Fate.PARTIALLY_FAILED, Fate.ALL_FAILED) else random.randrange(total)
    count = min(reachable, random.randint(1, STEPS_MAX))
    times = sorted(random.uniform(working_at, ended_at) for _ in range(count))
    return tuple(map(Step, times, sorted(random.sample(range(1, reachable + 1), count))))


def _failed(random: Random, fate: Fate, total: int) -> frozenset[int]:
    if fate is Fate.ALL_FAILED:
        return frozenset(range(total))
    if fate is not Fate.PARTIALLY_FAILED:
        return frozenset()
    most = max(1, total - 1)
    count = most if random.random() < 0.2 else random.randint(1, most)
    return frozenset(random.sample(range(total), count))


def _memory(random: Random, memory: Memory, now: float, ended_at: float) -> tuple[float, float]:
    hidden, vanishing = random.random() < memory.hidden, random.random() < memory.vanishing
    hidden_until = now + random.uniform(*memory.hidden_seconds) if hidden else -inf
    gone_at = random.uniform(now, ended_at) if vanishing else now + LIFETIME_SECONDS
    return hidden_until, gone_at
