"""The production rule and the schedules it is measured against, over the same jobs, on all cores."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

from bench.schedule.policies import BackOff, Policy, Relay, Sweep
from bench.schedule.simulation import ROUND_TRIP, Result, Simulation, measure
from bench.schedule.workloads import LAWS, LIGHT, Workload, heavy

from relay.core.pacing import Rate
from relay.core.rule import Terms

SEEDS = range(5)
LAW_SEEDS = range(2)
DEFAULT, SECOND = Terms.fresh(2.0), Terms(price=2.0, unseen_max=5.0)
FRESHNESS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
INTERVALS = (1.5, 2.5, 4.0, 6.0, 10.0)
HEAVY_SECONDS = {100: 900.0, 350: 600.0, 1_000: 240.0}  # requests per minute: how long it is measured
WARM_UP_SECONDS = 600.0  # of polling, at the end of the hour in which jobs gather

Make = Callable[[float], Policy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    result: Result


def relay(terms: Terms) -> Policy:
    return Relay(terms=terms)


def one_per_job(interval: float) -> Policy:
    return BackOff(interval, factor=1.0, most=interval, size=1)


def back_off(first: float) -> Policy:
    return BackOff(first, factor=1.5, most=60.0 * first)


def run(
    workload: Workload, seeds: Sequence[int], policy: Callable[[], Policy], per_minute_max: float = 600.0
) -> Result:
    return measure([workload.trace(seed) for seed in seeds], policy, Rate(max_requests_per_minute=per_minute_max))


def matched(make: Make, first: float, per_job: float, workload: Workload, seeds: Sequence[int]) -> Result:
    """The schedule with its parameter such that it takes as many requests per job, or fewer by chance."""
    parameter = first
    for _ in range(6):
        result = run(workload, seeds, partial(make, parameter))
        if abs(result.per_job / per_job - 1.0) < 0.02:
            break
        parameter *= result.per_job / per_job
    return result


def light(pool: Executor) -> list[Row]:
    """Ours, then the others as they are usually set, then the others at our price."""
    ours = {
        "relay, the default": pool.submit(run, LIGHT, SEEDS, partial(relay, DEFAULT)),
        "relay, price 2 s, 5 s unseen": pool.submit(run, LIGHT, SEEDS, partial(relay, SECOND)),
        "one request per job, every 5 s": pool.submit(run, LIGHT, SEEDS, partial(one_per_job, 5.0)),
        "batched sweep, every 5 s": pool.submit(run, LIGHT, SEEDS, partial(Sweep, 5.0)),
        "back-off from 1 s": pool.submit(run, LIGHT, SEEDS, partial(back_off, 1.0)),
    }
    per_job = ours["relay, the default"].result().per_job
    same = {
        "one request per job": pool.submit(matched, one_per_job, 40.0, per_job, LIGHT, SEEDS),
        "batched sweep": pool.submit(matched, Sweep, 4.0, per_job, LIGHT, SEEDS),
        "back-off": pool.submit(matched, back_off, 2.0, per_job, LIGHT, SEEDS),
    }
    rows = [Row(name=name, result=future.result()) for name, future in ours.items()]
    return rows + [Row(name=f"{name}, at our price", result=future.result()) for name, future in same.items()]


def settings(pool: Executor) -> list[Row]:
    """What an operator can choose."""
    futures = {
        f"fresh_within_seconds: {within:g}": pool.submit(run, LIGHT, SEEDS, partial(Relay, within), 60.0)
        for within in (1.0, 2.0, 5.0, 10.0, 30.0)
    } | {
        f"max_requests_per_minute: {most:g}": pool.submit(run, LIGHT, SEEDS, Relay, most) for most in (20.0, 10.0, 4.0)
    }
    return [Row(name=name, result=future.result()) for name, future in futures.items()]


def frontier(pool: Executor) -> dict[str, list[Result]]:
    """Each schedule from impatient to patient."""
    futures = {
        "relay": [pool.submit(run, LIGHT, SEEDS, partial(relay, Terms.fresh(within))) for within in FRESHNESS],
        "batched sweep": [pool.submit(run, LIGHT, SEEDS, partial(Sweep, interval)) for interval in INTERVALS],
        "back-off": [pool.submit(run, LIGHT, SEEDS, partial(back_off, first)) for first in (1.0, 2.0, 4.0)],
        "one request per job": [
            pool.submit(run, LIGHT, SEEDS, partial(one_per_job, interval)) for interval in (5.0, 12.0, 30.0)
        ],
    }
    return {name: [future.result() for future in series] for name, series in futures.items()}


def crowded(per_minute: int, policy: Callable[[], Policy]) -> Result:
    """The heavy workload within a rate that cannot serve all jobs as often as one would like."""
    workload = heavy(HEAVY_SECONDS[per_minute])
    rate = Rate(max_requests_per_minute=per_minute, reserve=0.0, share=1.0)
    begins = workload.measured_from - WARM_UP_SECONDS
    return Simulation(workload.trace(1), policy(), rate, begins).run(workload.measured_from, workload.seconds)


def heavy_rows(pool: Executor) -> Iterator[tuple[int, Result, Result]]:
    """(requests per minute, ours, round robin)"""
    futures = {
        per_minute: (pool.submit(crowded, per_minute, Relay), pool.submit(crowded, per_minute, partial(Sweep, 0.0)))
        for per_minute in sorted(HEAVY_SECONDS, reverse=True)  # the longest first
    }
    for per_minute, (ours, round_robin) in reversed(futures.items()):
        yield per_minute, ours.result(), round_robin.result()


def law(name: str, reporting: float) -> tuple[Result, Result]:
    """Ours, and a sweep at our price, where jobs take as long as no tuning has seen."""
    workload = replace(LIGHT, name=f"{name} {reporting}", law=LAWS[name], seconds=7_200.0, reporting=reporting)
    ours = run(workload, LAW_SEEDS, Relay)
    return ours, matched(Sweep, 60.0 / ours.per_minute, ours.per_job, workload, LAW_SEEDS)


def law_rows(pool: Executor) -> Iterator[tuple[str, Result, Result]]:
    futures = {(name, part): pool.submit(law, name, part) for name in LAWS for part in (0.7, 0.0)}
    for (name, part), future in futures.items():
        yield (name if part else f"{name}, without progress"), *future.result()


def clairvoyant(per_minute: float | None = None) -> float:
    """Mean delay of somebody who knows when jobs end: half a round trip, and half of what spacing costs."""
    return ROUND_TRIP / 2 + (0.0 if per_minute is None else 30.0 / per_minute)
