"""From the intake topic through the ledger to the topic of events: how many jobs, and how soon."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from bench.distributed.replica import ACCOUNTS, PARTITIONS, Names, create_topics, replica, zendesk
from bench.processes import HERE
from bench.table import Measurement

JOBS, JOBS_PER_SECOND_MIN, OF_BARE = 60_000, 5_000, 0.4
PACE, PACE_SECONDS, LATE_P99_MS = 500, 12, 250
STARTED_SECONDS, LOOK_SECONDS, ALL_SECONDS_MAX = 3.0, 0.5, 120.0
LONG_OVER = "0"  # the job had ended before it was tracked


def flow(bootstrap: str) -> Iterator[Measurement]:
    # Under the current folder: what is mounted at /tmp may be memory.
    with TemporaryDirectory(dir=".") as named, zendesk() as jobs:
        url = f"http://127.0.0.1:{jobs.port}"
        yield throughput(bootstrap, Path(named) / "throughput", url)
        yield latency(bootstrap, Path(named) / "latency", url)


def throughput(bootstrap: str, folder: Path, url: str) -> Measurement:
    names = create_topics(bootstrap)
    asyncio.run(hand_in(bootstrap, names, [f"V3-{number}-{LONG_OVER}" for number in range(JOBS)]))
    bare = through_bare(bootstrap, names)
    names = create_topics(bootstrap)
    asyncio.run(hand_in(bootstrap, names, [f"V3-{number}-{LONG_OVER}" for number in range(JOBS)]))
    with replica(folder, bootstrap, names, url):
        ours = JOBS / asyncio.run(seconds_of_all(bootstrap, names))
    return Measurement(
        what="intake topic to event topic, one replica; floor: bare aiokafka loop",
        unit="jobs/s",
        ours=ours,
        floor=bare,
        ratio=ours / bare,
        at_least=max(OF_BARE, JOBS_PER_SECOND_MIN / bare),
    )


def latency(bootstrap: str, folder: Path, url: str) -> Measurement:
    names = create_topics(bootstrap)
    with replica(folder, bootstrap, names, url):
        time.sleep(STARTED_SECONDS)
        late = asyncio.run(lateness(bootstrap, names))
    return Measurement(
        what=f"from the reply to the reader of the event, p99, {PACE} jobs/s",
        unit="ms",
        ours=quantiles(late, n=100)[-1] * 1e3,
        at_most=LATE_P99_MS,
    )


def through_bare(bootstrap: str, names: Names) -> float:
    script = str(HERE / "distributed" / "bare.py")
    arguments = (sys.executable, script, bootstrap, names.intake, names.rows, names.events, str(JOBS))
    return float(subprocess.check_output(arguments))


async def hand_in(bootstrap: str, names: Names, ids: Sequence[str]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=256 * 1024) as producer:
        sent = [
            await producer.send(names.intake, orjson.dumps({"id": job_id, "account": account}), key=account.encode())
            for job_id, account in zip(ids, cycle(ACCOUNTS), strict=False)
        ]
        await asyncio.gather(*sent)


def reader(bootstrap: str, topic: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )


async def seconds_of_all(bootstrap: str, names: Names) -> float:
    """From the first row in the ledger's topic to the last event, by the times that the records carry.

    Nobody reads them before all are there, as nobody reads what the floor writes: a reader would take its processor.
    """
    last, told = 0.0, set[bytes]()
    async with asyncio.timeout(ALL_SECONDS_MAX), reader(bootstrap, names.events) as events:
        while sum((await events.end_offsets(events.assignment())).values()) < JOBS:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK_SECONDS)
        while len(told) < JOBS:
            for records in (await events.getmany(timeout_ms=500, max_records=5_000)).values():
                told.update(record.key for record in records)
                last = max(last, *(record.timestamp for record in records))
    first = await began_at(bootstrap, names.ledger)
    return (last - first) / 1e3


async def began_at(bootstrap: str, topic: str) -> float:
    """When the first record of all its partitions was produced, in milliseconds."""
    seen: dict[object, float] = {}
    async with asyncio.timeout(ALL_SECONDS_MAX), reader(bootstrap, topic) as rows:
        while len(seen) < PARTITIONS:
            for partition, records in (await rows.getmany(timeout_ms=500)).items():
                seen.setdefault(partition, records[0].timestamp)
    return min(seen.values())


async def lateness(bootstrap: str, names: Names) -> list[float]:
    """Seconds from each event's `time`, when the reply was there, until a reader of what is committed has it."""
    count = PACE * PACE_SECONDS
    late: list[float] = []
    async with asyncio.timeout(ALL_SECONDS_MAX), reader(bootstrap, names.events) as events:
        pacing = asyncio.create_task(pace(bootstrap, names))
        while len(late) < count:
            for records in (await events.getmany(timeout_ms=500)).values():
                now = time.time()
                late += [now - told_at(record) for record in records]
        await pacing
    return late


def told_at(record: object) -> float:
    return datetime.fromisoformat(dict(record.headers)["ce_time"].decode()).timestamp()


async def pace(bootstrap: str, names: Names) -> None:
    """So many jobs each second, handed in a while before they end."""
    began = time.time()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=2) as producer:
        for number in range(PACE * PACE_SECONDS):
            at = began + number / PACE
            await asyncio.sleep(max(0.0, at - time.time()))
            account = ACCOUNTS[number % len(ACCOUNTS)]
            value = orjson.dumps({"id": f"V3-{number}-{(at + 1) * 1e3:.0f}", "account": account})
            await producer.send(names.intake, value, key=account.encode())
