"""A real Prometheus beside the tests: Debian's, on a free port of loopback, scraping every second."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml

SCRAPE_SECONDS = 1.0
START_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running one. Answers are the `data` of its API."""

    session: aiohttp.ClientSession

    async def ask(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        async with self.session.get(f"/api/v1/{path}", params=query or {}) as answer:
            body = await answer.json()
            assert body["status"] == "success", f"{query}: {body['error']}"
            return body["data"]

    async def course(self, expression: str, *, start: float, end: float, step: float) -> Sequence[dict[str, Any]]:
        """Its series: labels as `metric`, pairs of time and text as `values`. Times are seconds since the epoch."""
        query = {"query": expression, "start": start, "end": end, "step": step}
        found: Sequence[dict[str, Any]] = (await self.ask("query_range", query))["result"]
        return found


@asynccontextmanager
async def prometheus(program: Path, folder: Path, relay_url: str, rules: Sequence[Path]) -> AsyncIterator[Prometheus]:
    """It scrapes this relay, as job `relay`, and evaluates the rules at the same pace. Ended with the context."""
    pace = f"{SCRAPE_SECONDS * 1_000:.0f}ms"
    config = {
        "global": {"scrape_interval": pace, "scrape_timeout": pace, "evaluation_interval": pace},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": "relay", "static_configs": [{"targets": [urlsplit(relay_url).netloc]}]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{_free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            await _ready(session)
            yield Prometheus(session)
    finally:
        process.terminate()
        await process.wait()


async def _ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with session.get("/-/ready") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)  # nobody tells


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
