"""100 endpoints of which half are in trouble: how soon the other half hears, beside a relay whose endpoints are well.

Both relays watch the same jobs at the same time, so that whatever else the machine does meets both.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from bench.processes import HERE, Server, free_port, process
from bench.table import Measurement
from bench.webhooks import call, receiver, relay, sink, taken

ENDPOINTS, HANGING, FAILING = 100, 30, 20
EVENTS_PER_SECOND, SECONDS, LATE_SECONDS = 200, 12, 4
EACH = SECONDS * EVENTS_PER_SECOND // ENDPOINTS
LAST_SECONDS_MAX = 30.0
OF_ALL_HEALTHY = 1.5
POLL_SECONDS = 3


def trouble() -> Iterator[Measurement]:
    with TemporaryDirectory(dir=".") as named, receiver() as there, zendesk() as jobs:
        folders = {name: Path(named) / name for name in ("healthy", "troubled")}
        for folder in folders.values():
            folder.mkdir()
        accounts = [account(number, jobs) for number in range(ENDPOINTS)]
        with (
            relay(folders["healthy"], accounts, sinks(there, "healthy", troubled=0)) as well,
            relay(folders["troubled"], accounts, sinks(there, "troubled", troubled=HANGING + FAILING)) as troubled,
        ):
            time.sleep(POLL_SECONDS)  # after a start no account is asked before, and what came sooner then all together
            submit((well, troubled))
            time.sleep(LATE_SECONDS + SECONDS)
            late = awaited(there)
    ours, floor = (percentile_99(late, name) for name in ("troubled", "healthy"))
    yield Measurement(
        what=f"event to endpoint, p99; {HANGING} of {ENDPOINTS} hang, {FAILING} fail; floor: none do",
        unit="ms",
        ours=ours * 1e3,
        floor=floor * 1e3,
        ratio=ours / floor,
        at_most=OF_ALL_HEALTHY,
    )


def awaited(there: Server) -> Mapping[str, Sequence[float]]:
    """How late the events of each healthy endpoint came, of both relays, once all have come."""
    late: defaultdict[str, list[float]] = defaultdict(list)
    paths = [path for name in ("healthy", "troubled") for path in healthy(name)]
    give_up_at = time.monotonic() + LAST_SECONDS_MAX
    while any(len(late[path]) < EACH for path in paths):
        assert time.monotonic() < give_up_at, "an event is missing"
        time.sleep(0.5)
        for path, told in taken(there).items():
            late[path] += told["late"]
    assert all(len(late[path]) == EACH for path in paths), "an event came twice"
    return late


def percentile_99(late: Mapping[str, Sequence[float]], relay: str) -> float:
    """Of those endpoints that are healthy in both."""
    return quantiles([one for path in healthy(relay) for one in late[path]], n=100)[-1]


def healthy(relay: str) -> Sequence[str]:
    return [f"/taken/{relay}/{number}" for number in range(HANGING + FAILING, ENDPOINTS)]


@contextmanager
def zendesk() -> Iterator[Server]:
    port = free_port()
    with process([str(HERE / "ending.py"), str(port)], port) as server:
        yield server


def account(number: int, jobs: Server) -> dict[str, Any]:
    """Its jobs are those of one endpoint; looked at every few seconds, so that polls are not what is measured."""
    return {
        "name": f"acme-{number}",
        "base_url": f"http://127.0.0.1:{jobs.port}",
        "allow_http": True,
        "auth": {"kind": "bearer", "token": "demo"},
        "rate": {"max_requests_per_minute": 60 / POLL_SECONDS, "reserve": 0, "share": 1},
        "polling": {"fresh_within_seconds": POLL_SECONDS},
    }


def sinks(there: Server, relay: str, *, troubled: int) -> list[dict[str, Any]]:
    """So many of them in trouble: first those that hang."""
    behaviours = ["hanging"] * min(troubled, HANGING) + ["failing"] * (troubled - HANGING)
    behaviours += ["taken"] * (ENDPOINTS - len(behaviours))
    return [
        sink(f"sink-{number}", f"http://127.0.0.1:{there.port}/{kind}/{relay}/{number}", accounts=[f"acme-{number}"])
        for number, kind in enumerate(behaviours)
    ]


def submit(relays: Sequence[Server]) -> None:
    """Account by account, over as long as passes between two looks at one: so are their polls, and their events."""
    soon = time.time() + LATE_SECONDS
    for number in range(ENDPOINTS):
        ends = [soon + count / EVENTS_PER_SECOND for count in range(number, EVENTS_PER_SECOND * SECONDS, ENDPOINTS)]
        jobs = [{"id": f"V3-{number}-{end * 1e3:.0f}", "account": f"acme-{number}"} for end in ends]
        for server in relays:
            call(server, "POST", "/v1/jobs", {"jobs": jobs})
        time.sleep(POLL_SECONDS / ENDPOINTS)
