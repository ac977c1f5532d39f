"""Commits while the ledger is backed up; the floor is the same commits while nothing else happens."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from bench.table import Measurement

from relay.core.job import Job
from relay.core.record import Batch
from relay.ledger.copying import Copies
from relay.ledger.sqlite import SqliteLedger

JOBS, JOBS_PER_COMMIT = 50_000, 1_000
REPLY_BYTES = 4_000
QUIET_SECONDS, PAUSE_SECONDS = 5.0, 0.002


def backup() -> Iterator[Measurement]:
    with TemporaryDirectory(dir=".") as folder:
        size_mb, seconds, alone, beside = asyncio.run(_measure(Path(folder)))
    yield Measurement(what=f"backup of {size_mb:,.0f} MB", unit="MB/s", ours=size_mb / seconds, at_least=50)
    for name, index, at_most in (("median", 49, 3), ("99th percentile", 98, 10)):
        ours, floor = (quantiles(times, n=100)[index] * 1_000 for times in (beside, alone))
        what = f"commit beside a backup, {name}; floor: alone"
        yield Measurement(what=what, unit="ms", ours=ours, floor=floor, ratio=ours / floor, at_most=at_most)


async def _measure(folder: Path) -> tuple[float, float, list[float], list[float]]:
    """Its size in MB, how long it took, and how long commits took without it and meanwhile."""
    ledger = SqliteLedger(folder / "relay.db")
    await ledger.open()
    try:
        for start in range(0, JOBS, JOBS_PER_COMMIT):
            await ledger.commit(Batch(jobs=[_job(number) for number in range(start, start + JOBS_PER_COMMIT)]))
        alone = await _commit_while(ledger, asyncio.create_task(asyncio.sleep(QUIET_SECONDS)))
        began = time.perf_counter()
        copying = asyncio.create_task(_copy(ledger))
        beside = await _commit_while(ledger, copying)
        return copying.result() / 1e6, time.perf_counter() - began, alone, beside
    finally:
        await ledger.close()


def _job(number: int) -> Job:
    reply = b'"%s"' % os.urandom(REPLY_BYTES // 2).hex().encode()
    return Job(account="acme", id=f"V3-{number}", tracked_at=float(number), job_status=reply)


async def _copy(ledger: SqliteLedger) -> int:
    async with Copies(ledger).copied() as copy:
        return copy.stat().st_size


async def _commit_while(ledger: SqliteLedger, underway: asyncio.Task[object]) -> list[float]:
    times = []
    while not underway.done():
        began = time.perf_counter()
        await ledger.commit(Batch(marks={"bench": b"%d" % len(times)}))
        times.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE_SECONDS)
    return times
