"""The floor of a poll: an aiohttp client that asks and parses, and draws no consequences.

    python tests/bench/client.py URLS CONNECTIONS SECONDS

URLS: a file with one on each line, asked for in turn. Prints how many requests were answered per second.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import aiohttp
import orjson
import uvloop

HEADERS = {"accept": "application/json", "authorization": "Bearer none"}


async def ask(session: aiohttp.ClientSession, urls: Iterator[str], until: float) -> int:
    answered = 0
    while time.perf_counter() < until:
        async with session.get(next(urls), headers=HEADERS) as answer:
            orjson.loads(await answer.read())
        answered += 1
    return answered


async def main(urls: list[str], connections: int, seconds: float) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        turns = cycle(urls)
        answered = await asyncio.gather(*(ask(session, turns, began + seconds) for _ in range(connections)))
        print(sum(answered) / (time.perf_counter() - began))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]).read_text().split(), int(sys.argv[2]), float(sys.argv[3])))
