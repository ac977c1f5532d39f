"""A receiver of webhooks, cheaper than whoever sends them: reads a request by its length, notes it, answers.

    python tests/bench/receiver.py PORT

What the path begins with decides: `/taken` answers 204; `/failing` 500, 503 or by a reset, in turn; `/hanging` never.
GET answers with what came to each path under `/taken`: so far, the `count`; since the last GET, the `late`: how many
seconds after the `time` of its event each came.
"""

import asyncio
import itertools
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

import orjson
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TIME = re.compile(rb'"time":"([^"]+)"')
END_OF_HEAD = b"\r\n\r\n"
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILED = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    None,  # reset
)
TOLD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


class Taken:
    """By path: how many requests, and when each came and the time of its event."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._times: dict[bytes, list[tuple[float, bytes]]] = defaultdict(list)

    def add(self, path: bytes, body: bytes) -> None:
        self._counts[path] += 1
        found = TIME.search(body)
        if found is not None:
            self._times[path].append((time.time(), found[1]))

    def told(self) -> bytes:
        times, self._times = self._times, defaultdict(list)
        return orjson.dumps(
            {
                path.decode(): {"count": count, "late": [late(*each) for each in times[path]]}
                for path, count in self._counts.items()
            }
        )


def late(came_at: float, event_time: bytes) -> float:
    return came_at - datetime.fromisoformat(event_time.decode()).timestamp()


class Connection(asyncio.Protocol):
    """One request after another, as clients without pipelining send them."""

    def __init__(self, taken: Taken, failures: Iterator[bytes | None]) -> None:
        self._taken = taken
        self._failures = failures
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, separator, body = self._came.partition(END_OF_HEAD)
        length = LENGTH.search(head)
        if separator and len(body) >= (0 if length is None else int(length[1])):
            self._came = b""
            self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path.startswith(b"/taken"):
            self._taken.add(path, body)
            self._transport.write(TAKEN)
        elif path.startswith(b"/failing"):
            failure = next(self._failures)
            if failure is None:
                self._transport.abort()
            else:
                self._transport.write(failure)
        elif not path.startswith(b"/hanging"):
            told = self._taken.told()
            self._transport.write(TOLD % (len(told), told))


async def main(port: int) -> None:
    taken, failures = Taken(), itertools.cycle(FAILED)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(taken, failures), "127.0.0.1", port, backlog=1_000)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
