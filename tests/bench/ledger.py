"""What the SQLite ledger costs: against bytes that are only written and synced, and beside an event loop that is busy.

    PYTHONPATH=tests python -m bench.ledger

Prints ratios. Ids are random, as Zendesk's are, which is the hard case for an index.
"""

import asyncio
import gc
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
from bench.samples import job_status
from msgspec.structs import replace

from relay.core.delivery import DeliveryState, Subscription, owe
from relay.core.job import Job
from relay.core.job_row import encode
from relay.core.observe import Rules, observe, record
from relay.core.record import Batch
from relay.core.sighting import sight
from relay.ledger.sqlite import SqliteLedger

ROWS = 50_000
BATCHES = 200


def make_jobs(count: int, tracked_at: float) -> list[Job]:
    chance = random.Random(tracked_at)
    return [
        Job(
            account=f"acme-{n % 10}",
            id=f"V3-{chance.getrandbits(128):032x}",
            tracked_at=tracked_at,
            metadata=b'{"order":"12345678"}',
        )
        for n in range(count)
    ]


def floor(path: Path, batches: Sequence[Sequence[Job]]) -> float:
    """Jobs per second if all there were to do is to encode them, append them to a file and sync it."""
    began = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for batch in batches:
            file.write(b"".join(encode(job) for job in batch))
            os.fdatasync(file.fileno())
    return sum(map(len, batches)) / (time.perf_counter() - began)


async def commits(ledger: SqliteLedger, batches: Sequence[Batch]) -> float:
    """Rows per second: of jobs, or of deliveries where there are only these."""
    began = time.perf_counter()
    for batch in batches:
        await ledger.commit(batch)
    return sum(len(batch.jobs or batch.deliveries) for batch in batches) / (time.perf_counter() - began)


def tracked(jobs: Sequence[Job]) -> Batch:
    return Batch(jobs=jobs)


def ended(jobs: Sequence[Job], first_position: int) -> Batch:
    """Each with its terminal event, which one sink is owed."""
    status = {**job_status(0, progress=100), "status": "completed"}
    done = [
        record(observe(job, sight(status), job.tracked_at + 9.0, Rules()), position)
        for position, job in enumerate(jobs, start=first_position)
    ]
    owed = [owe(job, None, Subscription(sink="orders"), job.tracked_at + 9.0) for job in done]
    return Batch(jobs=done, events=[(job, job.events[-1]) for job in done], deliveries=[row for row in owed if row])


def delivered(batch: Batch) -> Batch:
    settled = [
        replace(row, state=DeliveryState.DELIVERED, attempts=1, settled_at=row.since) for row in batch.deliveries
    ]
    return Batch(deliveries=settled)


async def lives(ledger: SqliteLedger) -> None:
    """What a job costs from its submission to its settlement, in batches of 100."""
    jobs = [make_jobs(100, 5_000_000.0 + n) for n in range(BATCHES)]
    ends = [ended(batch, 1 + 100 * n) for n, batch in enumerate(jobs)]
    for what, batches in (
        ("track", list(map(tracked, jobs))),
        ("end", ends),
        ("settle", list(map(delivered, ends))),
    ):
        print(f"{what:6} in batches of 100: {await commits(ledger, batches):9,.0f} jobs/s")


async def spin() -> None:
    """A busy loop: JSON goes to and fro between sockets, as in a service all day."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        while True:
            await loop.sock_sendall(ours, orjson.dumps({"numbers": [n * 2 for n in range(200)]}))
            orjson.loads(await loop.sock_recv(theirs, 65_536))
            await asyncio.sleep(0)


async def beside_a_busy_loop(measure: Callable[[], asyncio.Future[float]]) -> float:
    busy = asyncio.create_task(spin())
    await asyncio.sleep(0.1)
    try:
        return await measure()
    finally:
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)


async def load(ledger: SqliteLedger) -> float:
    """Live jobs per second, read and decoded, without the garbage collector, which a start can do without."""
    count, after = 0, None
    gc.disable()
    began = time.perf_counter()
    while page := await ledger.live(after, 5_000):
        count += len(page)
        after = page[-1][0]
    seconds = time.perf_counter() - began
    gc.enable()
    return count / seconds


async def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        ledger = SqliteLedger(Path(folder) / "relay.db")
        await ledger.open()
        for size in (1, 100, 1_000):
            count = min(BATCHES, ROWS // size)
            batches = [make_jobs(size, size + n / 1024) for n in range(3 * count)]
            bare = floor(Path(folder) / "floor", batches[:count])
            recorded = list(map(tracked, batches))
            idle = await commits(ledger, recorded[count : 2 * count])
            busy = await beside_a_busy_loop(lambda: commits(ledger, recorded[2 * count :]))  # noqa: B023 - awaited here
            print(f"commit of {size:5}: {idle:9,.0f} jobs/s, {idle / bare:.2f} of write and sync; busy {busy:9,.0f}")
        print(f"live              : {await load(ledger):9,.0f} jobs/s")
        await lives(ledger)
        await ledger.close()


if __name__ == "__main__":
    asyncio.run(main())
