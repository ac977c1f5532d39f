"""`relay serve` as a process of its own, as tests start it, watch it and kill it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from inspect import isawaitable
from math import nan
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson

START_SECONDS_MAX = 60.0
LINE_BYTES_MAX = 1 << 20


class Relay:
    """One `relay serve`. `log`: its lines so far. `url`, `started_at`: of when it has started.

    `stderr`: all that it has written there, such as Python's warnings of things left open.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.started_at = nan
        self.log: list[dict[str, Any]] = []
        self.stderr = ""
        self._grown = asyncio.Event()
        self._reading = asyncio.gather(self._read_log(), self._read_stderr())
        self._reading.add_done_callback(lambda _: self._grown.set())  # what it ended with is read by then

    @classmethod
    async def start(cls, config: Path) -> Self:
        command = (sys.executable, "-W", "default", "-m", "relay", "serve", "--config", str(config))
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, limit=LINE_BYTES_MAX))

    async def _read_log(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            entry = orjson.loads(line)
            self.log.append(entry)
            if entry["event"] == "service.started":
                self.url = entry["listen"]
                self.started_at = datetime.fromisoformat(entry["timestamp"]).timestamp()
            self._grown.set()

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        self.stderr = (await self.process.stderr.read()).decode()

    async def ready(self) -> None:
        """Wait until it has started and says that it is ready."""
        await self.logged("service.started", seconds=START_SECONDS_MAX)
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
            assert answer.status == 200, await answer.text()

    async def logged(self, event: str, *, count: int = 1, seconds: float = 10.0) -> None:
        """Wait until it has logged this so many times."""
        async with asyncio.timeout(seconds):
            while sum(entry["event"] == event for entry in self.log) < count:
                assert not self._reading.done(), f"it has ended without {event}: {self.stderr}"
                self._grown.clear()
                await self._grown.wait()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    async def ended(self, seconds: float = 20.0) -> int:
        """Its exit code (negative: the signal that ended it), once all that it had to say is read."""
        async with asyncio.timeout(seconds):
            await asyncio.shield(self._reading)
            return await self.process.wait()

    async def kill(self) -> None:
        """As by `kill -9`. Idempotent."""
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()

    def complaints(self, *expected: str) -> Iterator[object]:
        """What a person would be worried by: warnings and errors other than the expected, and tracebacks."""
        for entry in self.log:
            if entry["level"] not in {"debug", "info"} and entry["event"] not in expected:
                yield entry
        if self.stderr:
            yield self.stderr


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[Relay]:
    """A relay that is ready; killed at the end if it still runs."""
    relay = await Relay.start(config)
    try:
        await relay.ready()
        yield relay
    finally:
        await relay.kill()


def write_config(folder: Path, **sections: Any) -> Path:
    """A configuration with the ledger in the same folder, listening at any free port. YAML takes JSON as it is."""
    path = folder / "config.yaml"
    ledger = {"kind": "sqlite", "path": str(folder / "relay.db")}
    config = {"server": {"listen": "127.0.0.1:0"}, "ledger": ledger, "sinks": []} | sections
    path.write_bytes(orjson.dumps(config))
    return path


async def until(
    true: Callable[[], object], seconds: float = 60.0, what: str = "it is not so", *, every_seconds: float = 0.02
) -> None:
    """Wait for something that nobody tells about. `true`: says whether it is so, at once or as a coroutine."""
    try:
        async with asyncio.timeout(seconds):
            while not await _answer(true()):  # noqa: ASYNC110 - no event is set by whoever makes it true
                await asyncio.sleep(every_seconds)
    except TimeoutError:
        raise AssertionError(f"after {seconds:g} s: {what}") from None


async def _answer(said: object) -> object:
    return await said if isawaitable(said) else said
