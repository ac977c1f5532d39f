"""Zendesk whose jobs never end, and which knows who asked when.

    python tests/bench/distributed/asked.py PORT

The path begins with the replica and the account. GET /asked: by replica and account, the times of all requests.
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
        self._asked: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def answer(self, target: bytes) -> bytes:
        if target == b"/asked":
            return orjson.dumps(self._asked)
        if b"?ids=" in target:
            replica, account = target.decode().split("/")[1:3]
            self._asked[replica][account].append(time.time())
        return Lean.answer(target)


async def main(port: int) -> None:
    zendesk = Zendesk()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(zendesk), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
