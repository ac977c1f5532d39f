"""100,000 deliveries wait while all endpoints are down: what they take of the memory, and how soon relay is ready."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.owed import ACCOUNT, prepare
from bench.table import Measurement
from bench.webhooks import pending, relay, resting, sink

WAITING, ENDPOINTS = 100_000, 20
# For the ledger's page cache, however much waits, and for what couriers have in hand: 64 deliveries to each endpoint.
MORE_MIB, READY_SECONDS = 64, 5.0
LOOK_SECONDS, LOOKS_SECONDS = 0.25, 8.0  # while deliveries fail one after another, and connections hang


def waiting() -> Iterator[Measurement]:
    with nobody() as refusing, silence() as hanging:
        urls = [f"http://127.0.0.1:{port}/" for port in (refusing, hanging)] * (ENDPOINTS // 2)
        unused, _ = started(0, urls)
        used, ready_seconds = started(WAITING, urls)
    what = f"{WAITING:,} deliveries to {ENDPOINTS} endpoints, all down"
    more = (used - unused) / 1024**2
    yield Measurement(what=f"memory for {what}", unit="MiB more", ours=more, at_most=MORE_MIB)
    yield Measurement(what=f"restart until ready, {what}", unit="s", ours=ready_seconds, at_most=READY_SECONDS)


def started(count: int, urls: Sequence[str]) -> tuple[int, float]:
    """The most that relay takes of the memory, in bytes, and after how many seconds it is ready."""
    sinks = [sink(f"sink-{number}", url) for number, url in enumerate(urls)]
    with TemporaryDirectory(dir=".") as folder:
        prepare(Path(folder), count // ENDPOINTS, [each["name"] for each in sinks])
        with relay(Path(folder), [resting(ACCOUNT)], sinks) as server:
            most, until = 0, time.monotonic() + LOOKS_SECONDS
            while time.monotonic() < until:
                most = max(most, server.resident_bytes())
                time.sleep(LOOK_SECONDS)
            assert pending(server) == count
            return most, server.ready_seconds


@contextmanager
def nobody() -> Iterator[int]:
    """A port where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silence() -> Iterator[int]:
    """A port that takes connections, which nobody answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as listening:
        yield listening.getsockname()[1]
