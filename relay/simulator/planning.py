"""Draws a job's plan from its own seeded randomness, so that no job depends on what happens to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from random import Random

from relay.simulator.forms import draw_form, job_id
from relay.simulator.kinds import JobKind
from relay.simulator.plan import Fate, Plan, Step
from relay.simulator.scenario import Memory, Pace, Scenario

STEPS_MAX = 8
COMPLETING = frozenset({Fate.SUCCEEDED, Fate.PARTIALLY_FAILED, Fate.MOSTLY_FAILED, Fate.ALL_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller may fix of a job's plan; None leaves it to the scenario."""

    fate: Fate | None = None
    queue_seconds: float | None = None
    work_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be drawn: whose it is, and what it works on. An item without an id gets a new one."""

    account: str
    account_id: int
    number: int
    kind: JobKind
    item_ids: Sequence[int | str | None]


def draw(random: Random, scenario: Scenario, job: NewJob, *, now: float, wish: Wish) -> Plan:
    total = len(job.item_ids)
    fate = wish.fate or _fate(random, scenario)
    queue_seconds, work_seconds = _durations(random, scenario.pace, wish)
    working_at = now + queue_seconds
    ended_at = working_at + work_seconds
    steps = _steps(random, fate, total, working_at, ended_at)
    if wish.work_seconds is None and work_seconds:
        steps, ended_at = _stalled(random, scenario.pace, steps, working_at, ended_at)
    memory = scenario.memory
    first_id = random.randrange(1_000, 10_000_000)
    return Plan(
        id=job_id(random, scenario.forms),
        account=job.account,
        account_id=job.account_id,
        number=job.number,
        kind=job.kind,
        fate=fate,
        total=total,
        created_at=now,
        working_at=working_at,
        ended_at=inf if fate is Fate.STUCK else ended_at,
        steps=steps,
        failed=_failed(random, fate, total),
        item_ids=tuple(first_id + index if item is None else item for index, item in enumerate(job.item_ids)),
        form=draw_form(random, scenario.forms, job.kind),
        strange=_strange(random, fate, working_at, ended_at),
        hidden_until=_until(random, memory.hidden, memory.hidden_seconds, now),
        unlisted_until=_until(random, memory.unlisted, memory.unlisted_seconds, now),
        gone_at=_gone_at(random, memory, now, ended_at),
        poisonous=random.random() < scenario.look_ups.poison,
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
    reachable = total if fate in COMPLETING else random.randrange(total)
    count = min(reachable, random.randint(1, STEPS_MAX))
    times = sorted(random.uniform(working_at, ended_at) for _ in range(count))
    return tuple(map(Step, times, sorted(random.sample(range(1, reachable + 1), count))))


def _stalled(
    random: Random, pace: Pace, steps: tuple[Step, ...], working_at: float, ended_at: float
) -> tuple[tuple[Step, ...], float]:
    """Maybe with a pause in the middle: whatever comes after it comes later."""
    stalls, begins, pause = random.random() < pace.stall, random.random(), random.uniform(*pace.stall_seconds)
    if not stalls:
        return steps, ended_at
    stands_still_at = working_at + begins * (ended_at - working_at)
    later = tuple(step._replace(at=step.at + pause) if step.at > stands_still_at else step for step in steps)
    return later, ended_at + pause


def _failed(random: Random, fate: Fate, total: int) -> frozenset[int]:
    match fate:
        case Fate.ALL_FAILED:
            return frozenset(range(total))
        case Fate.MOSTLY_FAILED:
            return frozenset(range(total)) - {random.randrange(total)}
        case Fate.PARTIALLY_FAILED:
            return frozenset(random.sample(range(total), random.randint(1, max(1, total - 1))))
        case _:
            return frozenset()


def _strange(random: Random, fate: Fate, working_at: float, ended_at: float) -> tuple[float, float]:
    """A part of its work, or of what would have been. A job that is stuck calls itself so for ever."""
    begins = working_at + random.random() * (ended_at - working_at)
    if fate is Fate.STUCK:
        return begins, inf
    return begins, begins + random.random() * (ended_at - begins)


def _until(random: Random, share: float, seconds: tuple[float, float], now: float) -> float:
    strikes, until = random.random() < share, now + random.uniform(*seconds)
    return until if strikes else -inf


def _gone_at(random: Random, memory: Memory, now: float, ended_at: float) -> float:
    vanishes, early = random.random() < memory.vanishing, random.uniform(now, ended_at)
    return early if vanishes else now + memory.kept_seconds
