"""Zendesk whose jobs never end, as one replica sees it, which knows when it was asked for what.

    python tests/bench/distributed/asked.py PORT

GET /asked: by the first id of each request, the times of all requests.
"""

import time
from collections import defaultdict

import orjson
from bench.lean import Zendesk as Lean
from bench.lean import serve


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


if __name__ == "__main__":
    serve(Zendesk())
