"""Zendesk at the least cost, whose jobs end when their ids say.

    python tests/bench/ending.py PORT

The last part of an id is the time of the job's end: milliseconds since 1970.
"""

import asyncio
import sys
import time

import orjson
import uvloop
from bench.lean import Connection
from bench.samples import job_status

ITEMS = 20


class Zendesk:
    def answer(self, target: bytes) -> bytes:
        ids = target.partition(b"?ids=")[2].decode().split(",")
        return orjson.dumps({"job_statuses": [status_of(one) for one in ids if one]})


def status_of(job_id: str) -> dict[str, object]:
    if time.time() * 1_000 < int(job_id.rpartition("-")[2]):
        return job_status(0, progress=10) | {"id": job_id}
    results = [{"index": index, "id": index} for index in range(ITEMS)]
    return job_status(0, progress=ITEMS) | {"id": job_id, "status": "completed", "total": ITEMS, "results": results}


async def main(port: int) -> None:
    zendesk = Zendesk()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(zendesk), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
