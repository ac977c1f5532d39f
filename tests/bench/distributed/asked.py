"""Zendesk whose jobs never end, as one replica sees it, which knows when it was asked for what.

    python tests/bench/distributed/asked.py PORT

GET /asked: by the first id of each request, the times of all requests.
"""

import asyncio
import sys
import time
from collections import defaultdict

import orjson
import uvloop
from bench.lean import Connection
from bench.lean import Zendesk as Lean


class Zendesk:
    def __init__(self) -> None:
        self._asked: dict[str, list[float]] = defaultdict(list)

    def answer(self, target: bytes) -> bytes:
        if target == b"/asked":
            return orjson.dumps(self._asked)
        _, _, ids = target.decode().partition("?ids=")
        if ids:
            self._asked[ids.split(",")[0]].append(time.time())
        return Lean.answer(target)


async def main(port: int) -> None:
    zendesk = Zendesk()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(zendesk), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
