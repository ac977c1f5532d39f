"""The floor of a delivery: an aiohttp client that posts what it has, signs nothing and records nothing.

    python tests/bench/poster.py URL CONCURRENCY SECONDS BODIES

BODIES: a file with one on each line, posted in turn. Prints how many requests were answered per second.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import aiohttp
import uvloop

HEADERS = {
    "content-type": "application/cloudevents+json",
    "user-agent": "relay/0",
    "accept-encoding": "identity",
    "webhook-id": "0123456789abcdef0123456789abcdef",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


async def post(session: aiohttp.ClientSession, url: str, bodies: Iterator[bytes], until: float) -> int:
    posted = 0
    while time.perf_counter() < until:
        async with session.post(url, data=next(bodies), headers=HEADERS) as answer:
            await answer.read()
        posted += 1
    return posted


async def main(url: str, concurrency: int, seconds: float, bodies: list[bytes]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        turns, began = cycle(bodies), time.perf_counter()
        posted = await asyncio.gather(*(post(session, url, turns, began + seconds) for _ in range(concurrency)))
        print(sum(posted) / (time.perf_counter() - began))


if __name__ == "__main__":
    lines = Path(sys.argv[4]).read_bytes().splitlines()
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), lines))
