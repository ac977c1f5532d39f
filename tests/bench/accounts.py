"""2,000 accounts with a few jobs each: how many requests a second relay makes, and how late its loop runs meanwhile."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import orjson
from bench.processes import HERE, Server, free_port, process
from bench.samples import job_status
from bench.table import Measurement

from relay.core.zendesk import Endpoint, Request

ACCOUNTS, JOBS = 2_000, 3
ROUNDS, ROUND_SECONDS, WARM_SECONDS = 5, 1.5, 3.0
JOBS_PER_SUBMISSION = 1_000
OF_BARE, OF_BARE_LEAN, LAG_P99_MS = 0.5, 0.4, 50.0
# As often as a request may be sent, and worth more than it can be: what limits it is relay itself.
CONFIG = """
server: {{listen: "127.0.0.1:{port}"}}
ledger: {{kind: sqlite, path: "{folder}/relay.db"}}
account_defaults:
  auth: {{kind: bearer, token: none}}
  rate: {{max_requests_per_minute: 60000, reserve: 0, share: 1}}
  polling: {{fresh_within_seconds: 0.05}}
accounts:
{accounts}
sinks: []
log: {{level: error}}
"""
ACCOUNT = '  - {{name: acme-{number}, base_url: "{url}", allow_http: true}}'

ESTABLISHED = "01"

Period = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Requests per second of relay and of the bare client in each round. `lags`: of relay's loop, seconds."""

    ours: Sequence[float]
    bare: Sequence[float]
    lags: Sequence[float]


def polled() -> Iterator[Measurement]:
    with simulator() as zendesk:
        yield from measurements("simulator", compared(zendesk, started(zendesk)), OF_BARE)
    # The simulator costs as much as its clients. Beside one that costs next to nothing they are compared more sharply.
    with lean() as zendesk:
        yield from measurements("lean server", compared(zendesk, made_up()), OF_BARE_LEAN)


def measurements(server: str, found: Compared, of_bare: float) -> Iterator[Measurement]:
    yield Measurement(
        what=f"polls of {ACCOUNTS:,} accounts, {server}; floor: aiohttp client",
        unit="requests/s",
        ours=median(found.ours),
        floor=median(found.bare),
        ratio=median(one / other for one, other in zip(found.ours, found.bare, strict=True)),
        at_least=of_bare,
    )
    yield Measurement(
        what=f"99th percentile of loop lag meanwhile, {server}",
        unit="ms",
        ours=quantiles(found.lags, n=100)[-1] * 1e3,
        at_most=LAG_P99_MS,
    )


def compared(zendesk: Server, ids: Sequence[str]) -> Compared:
    # Under the current folder: what is mounted at /tmp may be memory.
    with TemporaryDirectory(dir=".") as named:
        folder, url = Path(named), f"http://127.0.0.1:{zendesk.port}"
        by_account = [ids[start : start + JOBS] for start in range(0, len(ids), JOBS)]
        paths = [Request(endpoint=Endpoint.SHOW_MANY, ids=few).path for few in by_account]
        (folder / "urls").write_text("\n".join(url + path for path in paths))
        with watched(folder, url) as relay:
            submit(relay, by_account)
            time.sleep(WARM_SECONDS)
            ours, bare, periods = zip(*(one_round(folder, zendesk, relay) for _ in range(ROUNDS)), strict=True)
        return Compared(ours=ours, bare=bare, lags=lags(folder, periods))


def one_round(folder: Path, zendesk: Server, relay: Server) -> tuple[float, float, Period]:
    """Requests per second of both, one after the other over as many connections, and when it was relay's turn."""
    before, began = counted(relay), time.monotonic()
    time.sleep(ROUND_SECONDS)
    period = (began, time.monotonic())
    after = counted(relay)
    seconds = time.monotonic() - began
    with standing_still(relay):
        bare = client(folder, connections(zendesk))
    time.sleep(ROUND_SECONDS / 4)  # for what piled up meanwhile
    return (after - before) / seconds, bare, period


def connections(server: Server) -> int:
    """How many are open to it. Linux."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(remote.endswith(f":{server.port:04X}") and state == ESTABLISHED for _, _, remote, state, *_ in rows)


@contextmanager
def standing_still(server: Server) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def simulator() -> Iterator[Server]:
    port = free_port()
    with process([str(HERE / "simulator.py"), str(port)], port, ready="/simulator/truth") as server:
        yield server


@contextmanager
def lean() -> Iterator[Server]:
    port = free_port()
    with process([str(HERE / "lean.py"), str(port)], port) as server:
        yield server


def started(zendesk: Server) -> list[str]:
    """Jobs that do not move, as most do not between two looks."""
    wish = {"count": ACCOUNTS * JOBS, "fate": "stuck", "queue_seconds": 0}
    answer = call(zendesk, "POST", "/simulator/jobs", orjson.dumps(wish))
    return [status["id"] for status in orjson.loads(answer)["job_statuses"]]


def made_up() -> list[str]:
    return [job_status(number, progress=0)["id"] for number in range(ACCOUNTS * JOBS)]


@contextmanager
def watched(folder: Path, url: str) -> Iterator[Server]:
    """A relay that asks there, and leaves its lags in the folder."""
    port = free_port()
    accounts = "\n".join(ACCOUNT.format(number=number, url=url) for number in range(ACCOUNTS))
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(port=port, folder=folder, accounts=accounts))
    with process([str(HERE / "watched.py"), str(config), str(folder / "lags")], port) as server:
        yield server


def submit(relay: Server, ids: Sequence[Sequence[str]]) -> None:
    items = [{"account": f"acme-{number}", "id": one} for number, few in enumerate(ids) for one in few]
    for start in range(0, len(items), JOBS_PER_SUBMISSION):
        call(relay, "POST", "/v1/jobs", orjson.dumps({"jobs": items[start : start + JOBS_PER_SUBMISSION]}))


def call(server: Server, method: str, path: str, body: bytes | None = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status < 300, content
    return content


def counted(relay: Server) -> float:
    """Requests that were answered well."""
    samples = [line.rpartition(b" ") for line in call(relay, "GET", "/metrics").splitlines()]
    return sum(
        float(value)
        for name, _, value in samples
        if name.startswith(b"relay_zendesk_requests_total") and name.endswith(b'outcome="ok"}')
    )


def client(folder: Path, connections: int) -> float:
    arguments = map(str, (HERE / "client.py", folder / "urls", connections, ROUND_SECONDS))
    return float(subprocess.check_output([sys.executable, *arguments]))


def lags(folder: Path, periods: Sequence[Period]) -> list[float]:
    samples = orjson.loads((folder / "lags").read_bytes())
    return [late for due, late in samples if any(began <= due < ended for began, ended in periods)]
