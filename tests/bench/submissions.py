"""Submissions that are acknowledged when they are durable, from a client in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.processes import HERE, Server, bare, relay
from bench.table import Measurement

ROUNDS = 9
CONNECTIONS, REQUESTS, OF_BARE = 64, 6_000, 0.6
BATCH_CONNECTIONS, BATCH_REQUESTS, BATCH, JOBS_PER_SECOND = 16, 300, 100, 25_000


def submissions() -> Iterator[Measurement]:
    # Under the current folder: what is mounted at /tmp may be memory.
    with TemporaryDirectory(dir=".") as folder, relay(Path(folder)) as server, bare() as floor:
        yield one_by_one(server, floor)
        yield in_batches(server, floor)


def one_by_one(server: Server, floor: Server) -> Measurement:
    ours, bare = rounds(server, floor, CONNECTIONS, 1, REQUESTS)
    return Measurement(
        what=f"POST of one job, {CONNECTIONS} connections; floor: no ledger",
        unit="requests/s",
        ours=median(ours),
        floor=median(bare),
        ratio=median(one / other for one, other in zip(ours, bare, strict=True)),
        at_least=OF_BARE,
    )


def in_batches(server: Server, floor: Server) -> Measurement:
    """The best of all rounds, since there is no ratio: what else runs on the machine only ever slows it down."""
    ours, bare = rounds(server, floor, BATCH_CONNECTIONS, BATCH, BATCH_REQUESTS)
    return Measurement(
        what=f"POST of {BATCH} jobs, {BATCH_CONNECTIONS} connections; floor: no ledger",
        unit="jobs/s",
        ours=max(ours) * BATCH,
        floor=max(bare) * BATCH,
        at_least=JOBS_PER_SECOND,
    )


def rounds(
    server: Server, floor: Server, connections: int, jobs: int, requests: int
) -> tuple[list[float], list[float]]:
    """Requests per second of both, taking turns."""
    pairs = [[load(each, connections, jobs, requests) for each in (server, floor)] for _ in range(ROUNDS)]
    ours, bare = zip(*pairs, strict=True)
    return list(ours), list(bare)


def load(server: Server, connections: int, jobs: int, requests: int) -> float:
    arguments = map(str, (server.port, connections, jobs, requests))
    return float(subprocess.check_output([sys.executable, str(HERE / "load.py"), *arguments]))
