"""Deliveries that are signed and recorded, to a receiver in a process of its own that takes them at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.owed import ACCOUNT, bodies, prepare
from bench.processes import HERE, Server
from bench.table import Measurement
from bench.webhooks import pending, receiver, relay, resting, sink, taken

OWED, BODIES = 80_000, 1_000
CONCURRENCY, OF_BARE = 32, 0.5
ROUNDS, ROUND_SECONDS = 5, 1.5


def deliveries() -> Iterator[Measurement]:
    # Under the current folder: what is mounted at /tmp may be memory.
    with TemporaryDirectory(dir=".") as named, receiver() as there:
        folder = Path(named)
        url = f"http://127.0.0.1:{there.port}/taken"
        prepare(folder, OWED, ["orders"])
        (folder / "bodies").write_bytes(b"\n".join(bodies(BODIES)))
        with relay(folder, [resting(ACCOUNT)], [sink("orders", url, concurrency=CONCURRENCY)]) as server:
            ours, bare = rounds(server, there, folder / "bodies", url)
            assert pending(server) > 0, "more deliveries are needed to keep it busy"
    yield Measurement(
        what=f"deliveries, signed and recorded, {CONCURRENCY} at once; floor: aiohttp client",
        unit="1/s",
        ours=median(ours),
        floor=median(bare),
        ratio=median(one / other for one, other in zip(ours, bare, strict=True)),
        at_least=OF_BARE,
    )


def rounds(server: Server, there: Server, bodies: Path, url: str) -> tuple[list[float], list[float]]:
    """Deliveries per second of both, taking turns; what relay has delivered counts when its ledger says so."""
    ours, bare = [], []
    for _ in range(ROUNDS):
        began, owed = time.perf_counter(), pending(server)
        time.sleep(ROUND_SECONDS)
        ended, rest = time.perf_counter(), pending(server)
        ours.append((owed - rest) / (ended - began))
        with standing_still(server):
            bare.append(poster(url, bodies))
    assert taken(there)["/taken"]["count"] >= OWED - pending(server)
    return ours, bare


@contextmanager
def standing_still(server: Server) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def poster(url: str, bodies: Path) -> float:
    arguments = map(str, (HERE / "poster.py", url, CONCURRENCY, ROUND_SECONDS, bodies))
    return float(subprocess.check_output([sys.executable, *arguments]))
