"""`relay serve`, and how late its event loop runs: sampled in that loop, far finer than the metric of that name.

    python tests/bench/watched.py CONFIG LAGS

LAGS: the file to write to at the end: when each sample was due (monotonic seconds), and how late it came.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import orjson

from relay.app import process
from relay.app.commands.serve import serve
from relay.config import Sources
from relay.ops.logging import configure

PERIOD_SECONDS = 0.01


async def watched(sources: Sources, samples: list[tuple[float, float]]) -> None:
    watching = asyncio.create_task(watch(samples))
    try:
        await serve(sources, configure(style=sources.config.log.format, level=sources.config.log.level))
    finally:
        watching.cancel()


async def watch(samples: list[tuple[float, float]]) -> None:
    """A sample is due every period, also while the loop stands still: a long stall counts as often as it is long."""
    due = time.monotonic() + PERIOD_SECONDS
    while True:
        await asyncio.sleep(due - time.monotonic())
        now = time.monotonic()
        while due <= now:
            samples.append((due, now - due))
            due += PERIOD_SECONDS


if __name__ == "__main__":
    lags: list[tuple[float, float]] = []
    process.run_until_signal(watched(Sources(Path(sys.argv[1]), os.environ), lags))
    Path(sys.argv[2]).write_bytes(orjson.dumps(lags))
