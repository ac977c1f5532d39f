"""200,000 live jobs: what they take of the memory, and how soon a restart is ready."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.processes import relay
from bench.samples import job_status
from bench.table import Measurement

from relay.core.job import Job
from relay.core.observe import Rules, observe
from relay.core.record import Batch
from relay.core.sighting import sight
from relay.ledger.sqlite import SqliteLedger

JOBS, ROWS_PER_COMMIT = 200_000, 5_000
ACCOUNTS = [f"acme-{number}" for number in range(100)]
KIB_PER_JOB, READY_SECONDS = 1.5, 5.0


def many_jobs() -> Iterator[Measurement]:
    unused, _ = started(0, seen=False)
    for seen in (False, True):
        jobs = f"{JOBS:,} live jobs, {'seen at work' if seen else 'not seen yet'}"
        used, ready_seconds = started(JOBS, seen=seen)
        per_job = (used - unused) / JOBS / 1024
        yield Measurement(what=f"memory per job, {jobs}", unit="KiB", ours=per_job, at_most=KIB_PER_JOB)
        yield Measurement(what=f"restart until ready, {jobs}", unit="s", ours=ready_seconds, at_most=READY_SECONDS)


def started(count: int, *, seen: bool) -> tuple[int, float]:
    """What relay takes of the memory once it is ready, in bytes, and after how many seconds it is."""
    with TemporaryDirectory(dir=".") as folder:
        asyncio.run(record(Path(folder) / "relay.db", live_jobs(count, seen=seen)))
        with relay(Path(folder), ACCOUNTS) as server:
            return server.resident_bytes(), server.ready_seconds


async def record(path: Path, jobs: Iterator[Job]) -> None:
    ledger = SqliteLedger(path)
    await ledger.open()
    while batch := list(islice(jobs, ROWS_PER_COMMIT)):
        await ledger.commit(Batch(jobs=batch))
    await ledger.close()


def live_jobs(count: int, *, seen: bool) -> Iterator[Job]:
    """`seen`: as a poll leaves them, with Zendesk's object and the event `started`."""
    now = time.time()
    for number in range(count):
        status = job_status(number, progress=10)
        metadata = b'{"order":"%08d"}' % number
        account = ACCOUNTS[number % len(ACCOUNTS)]
        job = Job(account=account, id=status["id"], tracked_at=round(now - 60.0, 3), metadata=metadata)
        yield observe(job, sight(status), now - 30.0, Rules()) if seen else job
