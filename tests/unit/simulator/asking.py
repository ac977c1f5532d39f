"""A simulator asked as the tests of this folder ask it."""

import orjson

from relay.simulator.answer import Request
from relay.simulator.kinds import KINDS
from relay.simulator.planning import Wish


def get(simulator, path, now=0.0, **query):
    return simulator.answer(Request(method="GET", path=path, query=query, authorization="Bearer demo"), now)


def post_tickets(simulator, count, now=0.0, path="/api/v2/tickets/create_many.json"):
    body = orjson.dumps({"tickets": [{}] * count})
    return simulator.answer(Request(method="POST", path=path, body=body, authorization="Bearer demo"), now)


def start(simulator, count=1, *, now=0.0, account="default", **wish):
    kind = KINDS["create_tickets"]
    return [simulator.start(kind, [None] * 5, now, account=account, wish=Wish(**wish)).id for _ in range(count)]


def show_many(simulator, ids, now=0.0, prefix=""):
    return get(simulator, f"{prefix}/api/v2/job_statuses/show_many.json", now, ids=",".join(ids))


def show(simulator, job_id, now=0.0):
    return get(simulator, f"/api/v2/job_statuses/{job_id}.json", now)


def listed(simulator, now=0.0, **query):
    return get(simulator, "/api/v2/job_statuses.json", now, **query)


def document(answer):
    return orjson.loads(answer.body)


def shown(answer):
    return [status["id"] for status in document(answer)["job_statuses"]]
