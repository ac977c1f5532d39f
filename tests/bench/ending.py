"""Zendesk at the least cost, whose jobs end when their ids say.

    python tests/bench/ending.py PORT

The last part of an id is the time of the job's end: milliseconds since 1970.
"""

import time

import orjson
from bench.lean import serve
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


if __name__ == "__main__":
    serve(Zendesk())
