"""2,000 accounts with a few jobs each: how many requests a second relay makes, and how late its loop runs meanwhile."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import orjson
from bench.processes import HERE, Server, free_port, process
from bench.samples import job_status
from bench.table import Measurement

from relay.core.zendesk import Endpoint, Request

ACCOUNTS, JOBS = 2_000, 3
ROUNDS, ROUND_SECONDS, WARM_SECONDS = 5, 2.0, 3.0
JOBS_PER_SUBMISSION = 1_000
OF_BARE, LAG_P99_MS = 0.5, 50.0
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


def polled() -> Iterator[Measurement]:
    # Under the current folder: what is mounted at /tmp may be memory.
    with TemporaryDirectory(dir=".") as named:
        folder = Path(named)
        with lean() as zendesk, watched(folder, f"http://127.0.0.1:{zendesk.port}") as relay:
            submit(relay)
            time.sleep(WARM_SECONDS)
            ours, bare, periods = rounds(folder, zendesk, relay)
        yield Measurement(
            what=f"requests to {ACCOUNTS:,} accounts; floor: aiohttp client",
            unit="requests/s",
            ours=median(ours),
            floor=median(bare),
            ratio=median(one / other for one, other in zip(ours, bare, strict=True)),
            at_least=OF_BARE,
        )
        yield Measurement(
            what="loop lag meanwhile, 99th percentile",
            unit="ms",
            ours=percentile_99(lags(folder, periods)) * 1e3,
            at_most=LAG_P99_MS,
        )


def rounds(folder: Path, zendesk: Server, relay: Server) -> tuple[list[float], list[float], list[tuple[float, float]]]:
    """Requests per second of both, taking turns, and from when to when it was relay's."""
    ours, bare, periods = [], [], []
    for _ in range(ROUNDS):
        spent = seconds_spent(relay)
        began, requests = time.monotonic(), answered(zendesk)
        time.sleep(ROUND_SECONDS)
        ended, requests = time.monotonic(), answered(zendesk) - requests
        underway = (seconds_spent(relay) - spent) / (ended - began)
        ours.append(requests / (ended - began))
        periods.append((began, ended))
        with standing_still(relay):
            bare.append(client(folder, max(1, round(underway))))
        time.sleep(ROUND_SECONDS / 4)  # for what piled up meanwhile
    return ours, bare, periods


@contextmanager
def standing_still(server: Server) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def lean() -> Iterator[Server]:
    port = free_port()
    with process([str(HERE / "lean.py"), str(port)], port) as server:
        yield server


@contextmanager
def watched(folder: Path, url: str) -> Iterator[Server]:
    """A relay that asks there, and leaves its lags in the folder."""
    port = free_port()
    accounts = "\n".join(ACCOUNT.format(number=number, url=url) for number in range(ACCOUNTS))
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(port=port, folder=folder, accounts=accounts))
    (folder / "urls").write_text("\n".join(url + path_of(number) for number in range(ACCOUNTS)))
    with process([str(HERE / "watched.py"), str(config), str(folder / "lags")], port) as server:
        yield server


def path_of(account: int) -> str:
    return Request(endpoint=Endpoint.SHOW_MANY, ids=ids_of(account)).path


def ids_of(account: int) -> list[str]:
    return [job_status(account * JOBS + number, progress=0)["id"] for number in range(JOBS)]


def submit(relay: Server) -> None:
    items = [{"account": f"acme-{account}", "id": one} for account in range(ACCOUNTS) for one in ids_of(account)]
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


def answered(zendesk: Server) -> int:
    return int(call(zendesk, "GET", "/"))


def seconds_spent(relay: Server) -> float:
    """On all requests together: what is spent per second is how many are underway on average."""
    page = call(relay, "GET", "/metrics")
    return float(page.partition(b"\nrelay_zendesk_request_seconds_sum ")[2].partition(b"\n")[0])


def client(folder: Path, connections: int) -> float:
    arguments = map(str, (HERE / "client.py", folder / "urls", connections, ROUND_SECONDS))
    return float(subprocess.check_output([sys.executable, *arguments]))


def lags(folder: Path, periods: list[tuple[float, float]]) -> list[float]:
    samples = orjson.loads((folder / "lags").read_bytes())
    return [late for due, late in samples if any(began <= due < ended for began, ended in periods)]


def percentile_99(values: list[float]) -> float:
    return quantiles(values, n=100)[-1]
