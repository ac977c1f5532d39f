"""A ledger in which deliveries wait, as a relay finds it whose receivers were away."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from bench.samples import job_status

from relay.core.delivery import Delivery, Subscription, owe
from relay.core.events import render, source_of, structured
from relay.core.job import Job
from relay.core.observe import Rules, observe, record
from relay.core.record import Batch
from relay.core.sighting import sight
from relay.ledger.sqlite import SqliteLedger

ACCOUNT = "acme"
SOURCE = source_of(f"https://{ACCOUNT}.zendesk.com")
ITEMS = 20  # in the results of each job
HANDED_IN = 100  # at once, so that so many have a moment in common
ROWS_PER_COMMIT = 5_000


def prepare(folder: Path, count: int, sinks: Sequence[str]) -> None:
    """So many jobs that have ended, the terminal event of each owed to all of the sinks."""
    asyncio.run(_record(folder / "relay.db", _ended_jobs(count), sinks))


def bodies(count: int) -> Iterator[bytes]:
    """What webhooks about the first of these jobs carry."""
    return (structured(render(job, job.events[-1], SOURCE)) for job in _ended_jobs(count))


async def _record(path: Path, jobs: Iterator[Job], sinks: Sequence[str]) -> None:
    ledger = SqliteLedger(path)
    await ledger.open()
    while page := list(islice(jobs, ROWS_PER_COMMIT // len(sinks))):
        rows = [_owed(job, name) for job in page for name in sinks]
        await ledger.commit(Batch(jobs=page, events=[(job, job.events[-1]) for job in page], deliveries=rows))
    await ledger.close()


def _owed(job: Job, sink: str) -> Delivery:
    row = owe(job, None, Subscription(sink=sink), time.time())
    assert row is not None
    return row


def _ended_jobs(count: int) -> Iterator[Job]:
    now = round(time.time(), 3)
    for number in range(count):
        results = [{"index": index, "id": number * ITEMS + index} for index in range(ITEMS)]
        ended = job_status(number, progress=ITEMS) | {"status": "completed", "total": ITEMS, "results": results}
        tracked_at = round(now - 60.0 + number // HANDED_IN * 0.001, 3)
        job = Job(account=ACCOUNT, id=ended["id"], tracked_at=tracked_at, metadata=b'{"order":"%08d"}' % number)
        yield record(observe(job, sight(ended), now, Rules()), number + 1)
