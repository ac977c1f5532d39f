"""When to poll: the production rule and pacing against others, in virtual time. Exit 1: a goal was MISSED.

    python -m bench.schedule [PLOT.png]        (`make bench-schedule`)

Jobs are drawn from the laws in `workloads`, which are assumptions: no public data was found.
"""

import os
import sys
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

from bench.schedule import comparison, cost, tenant
from bench.schedule.comparison import clairvoyant
from bench.schedule.goals import Goals
from bench.schedule.simulation import Result

IDLE_SECONDS = 60.0


def show(name: str, result: Result) -> None:
    delays = f"{result.mean:7.2f} {result.quantile(0.5):7.2f} {result.quantile(0.99):7.2f}"
    print(f"{name:42}{delays}   {result.per_minute:9.1f} {result.per_job:8.2f}")


def head(title: str) -> None:
    print(f"\n{title:42}{'mean':>7} {'p50':>7} {'p99 s':>7}   {'req/min':>9} {'per job':>8}")


def light(pool: Executor, goals: Goals) -> None:
    head("at most 30 jobs at a time")
    rows = comparison.light(pool)
    for row in rows:
        show(row.name, row.result)
    print(f"{'clairvoyant':42}{clairvoyant():7.2f}")
    default, second = rows[0].result, rows[1].result
    goals.at_most("default, mean", default.mean, 1.0)
    goals.at_most("default, p99", default.quantile(0.99), 6.5)
    goals.at_most("default, requests per job", default.per_job, 3.1)
    goals.at_most("second setting, mean", second.mean, 1.3)
    goals.at_most("second setting, p99", second.quantile(0.99), 5.0)
    goals.at_most("second setting, requests per job", second.per_job, 3.5)


def settings(pool: Executor) -> None:
    head("what can be set, all else at its default")
    for row in comparison.settings(pool):
        show(row.name, row.result)


def crowded(pool: Executor, goals: Goals) -> list[tuple[int, Result, Result]]:
    head("19,000 jobs at a time, 27 new ones a second")
    rows = list(comparison.heavy_rows(pool))
    for per_minute, ours, other in rows:
        show(f"relay, {per_minute} requests a minute", ours)
        show(f"round robin, {per_minute} requests a minute", other)
        print(f"{f'clairvoyant, {per_minute} requests a minute':42}{clairvoyant(per_minute):7.2f}")
    for per_minute, ours, other in rows:
        goals.at_most(f"{per_minute} a minute, mean of round robin's", ours.mean / other.mean, 0.62)
        goals.at_most(f"{per_minute} a minute, p99 of round robin's", ours.quantile(0.99) / other.quantile(0.99), 1.35)
    return rows


def laws(pool: Executor, goals: Goals) -> None:
    head("other laws of duration")
    for name, ours, sweep in comparison.law_rows(pool):
        show(f"relay, {name}", ours)
        show(f"sweep, {name}", sweep)
        goals.at_most(f"{name}, mean of the sweep's", ours.mean / sweep.mean, 1.15)


def neighbours(goals: Goals) -> None:
    print("\nbeside other integrations that use the same limit of 400 a minute")
    for seed in range(3):
        ours = tenant.ours(seed)
        per_minute = len(ours.requests) / tenant.SECONDS * 60.0
        static = tenant.static(per_minute, seed)
        print(f"relay: {per_minute:.0f} requests a minute, {ours.inflicted} refusals inflicted on the others")
        print(f"a fixed {per_minute:.0f} a minute: {static.inflicted} refusals inflicted")
        goals.at_most("refusals inflicted, part of the fixed share's", ours.inflicted / static.inflicted, 0.5)
        for bound, broken in tenant.excesses(ours).items():
            goals.at_most(f"requests against the {bound}", broken, 0)


def costs(goals: Goals) -> None:
    print("\nwhat deciding costs, of one core")
    reply = cost.reply()
    print(f"to read one full reply: {1e6 * reply:.0f} us")
    for jobs in (30, 100, 20_000):
        typical, worst = cost.decision(jobs, 200)
        print(f"whom to ask next, and when, of {jobs} jobs: {1e6 * typical:.0f} us, at worst {1e6 * worst:.0f} us")
    goals.at_most("decision among 20,000 jobs, ms", 1e3 * worst, 5.0)
    core, requests = cost.idle_accounts(IDLE_SECONDS)
    print(f"{cost.ACCOUNTS} accounts with {cost.JOBS_EACH} jobs each: {requests:.0f} requests a second")
    goals.at_most("part of a core", core, 0.1)


def main() -> int:
    goals = Goals()
    costs(goals)
    neighbours(goals)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        light(pool, goals)
        settings(pool)
        crowd = crowded(pool, goals)
        laws(pool, goals)
        if len(sys.argv) > 1:
            from bench.schedule import plot  # noqa: PLC0415 - only who draws needs matplotlib

            plot.draw(comparison.frontier(pool), crowd, Path(sys.argv[1]))
    print(f"\n{len(goals.missed)} missed{': ' if goals.missed else ''}{', '.join(goals.missed)}")
    return 1 if goals.missed else 0


if __name__ == "__main__":
    sys.exit(main())
