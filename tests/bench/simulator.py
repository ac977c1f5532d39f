"""The simulator as `relay simulate` serves it, with a rate limit that nobody reaches.

python tests/bench/simulator.py PORT
"""

import asyncio
import sys
from dataclasses import replace

import uvloop

from relay.simulator import Simulator, serve
from relay.simulator.scenario import PLAIN

UNLIMITED = replace(PLAIN, requests_per_minute=10_000_000)


async def main(port: int) -> None:
    async with serve(Simulator(scenario=UNLIMITED), port=port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
