"""The processes that are measured: relay as its users start it, and what it is compared with."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
READY_SECONDS_MAX = 60.0

# At most one request a minute to each account, and so none before the first minute is over: it is not what is measured.
CONFIG = """
server: {{listen: "127.0.0.1:{port}"}}
ledger: {{kind: sqlite, path: "{folder}/relay.db"}}
account_defaults: {{rate: {{max_requests_per_minute: 1}}}}
accounts:
{accounts}
log: {{level: error}}
"""
ACCOUNT = '  - {{name: {name}, base_url: "https://{name}.zendesk.com", auth: {{kind: bearer, token: none}}}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    port: int
    pid: int
    ready_seconds: float

    def resident_bytes(self) -> int:
        """What the process holds of the machine's memory. Linux."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def relay(folder: Path, accounts: Sequence[str] = ("acme",)) -> Iterator[Server]:
    """`relay serve` on the ledger in this folder, when it is ready."""
    port = free_port()
    config = folder / "config.yaml"
    listed = "\n".join(ACCOUNT.format(name=name) for name in accounts)
    config.write_text(CONFIG.format(port=port, folder=folder, accounts=listed))
    with process(["-m", "relay", "serve", "--config", str(config)], port) as server:
        yield server


@contextmanager
def bare() -> Iterator[Server]:
    """An aiohttp handler that parses and answers, and nothing else."""
    port = free_port()
    with process([str(HERE / "bare.py"), str(port)], port) as server:
        yield server


@contextmanager
def process(arguments: Sequence[str], port: int, ready: str = "/readyz") -> Iterator[Server]:
    began = time.perf_counter()
    running = subprocess.Popen([sys.executable, *arguments])
    try:
        while not is_ready(port, ready):
            if running.poll() is not None or time.perf_counter() - began > READY_SECONDS_MAX:
                raise RuntimeError(f"{' '.join(arguments)} is not ready")
            time.sleep(0.01)
        yield Server(port=port, pid=running.pid, ready_seconds=time.perf_counter() - began)
    finally:
        running.terminate()
        running.wait(timeout=READY_SECONDS_MAX)


def is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS_MAX)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
