"""`/simulator/…`: sample jobs on demand, and the truth for those who check. No credentials, no limits, no faults."""

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relay.simulator.answer import Answer, Request, error_answer, json_answer
from relay.simulator.endpoints import ITEMS_MAX
from relay.simulator.kinds import KINDS
from relay.simulator.model import DEFAULT_ACCOUNT, Simulator
from relay.simulator.plan import Fate, status_at, truth_of
from relay.simulator.planning import Wish

PREFIX = "/simulator/"


class SampleJobs(BaseModel):
    """The body of `POST /simulator/jobs`. What is null is left to the scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(DEFAULT_ACCOUNT, pattern="^[A-Za-z0-9_.-]{1,64}$")
    count: int = Field(1, ge=1, le=100_000)
    items: int = Field(10, ge=1, le=ITEMS_MAX)
    kind: str = Field("create_tickets", json_schema_extra={"enum": list(KINDS)})
    fate: Fate | None = None
    queue_seconds: float | None = Field(None, ge=0, le=86_400)
    work_seconds: float | None = Field(None, ge=0, le=86_400)


def control(simulator: Simulator, request: Request, now: float) -> Answer:
    path = request.path.removeprefix(PREFIX)
    account = request.query.get("account")
    if (request.method, path) == ("POST", "jobs"):
        return _start(simulator, request, now)
    if (request.method, path) == ("GET", "truth"):
        return json_answer(200, {"jobs": [truth_of(plan) for plan in simulator.plans(account)]})
    if (request.method, path) == ("GET", "requests"):
        records = [record for record in simulator.requests if account in {None, record.account}]
        return json_answer(200, {"requests": records})
    return error_answer(404, "InvalidEndpoint", "Not found")


def _start(simulator: Simulator, request: Request, now: float) -> Answer:
    try:
        wanted = SampleJobs.model_validate(orjson.loads(request.body or b"{}"))
        kind = KINDS[wanted.kind]
    except (orjson.JSONDecodeError, ValidationError) as problem:
        return error_answer(422, "InvalidValue", str(problem))
    except KeyError:
        return error_answer(422, "InvalidValue", f"kind must be one of {', '.join(KINDS)}")
    wish = Wish(fate=wanted.fate, queue_seconds=wanted.queue_seconds, work_seconds=wanted.work_seconds)
    api_url = simulator.api_url(wanted.account, request.base_url)
    statuses: list[dict[str, Any]] = []
    for _ in range(wanted.count):
        plan = simulator.start(kind, [None] * wanted.items, now, account=wanted.account, wish=wish)
        statuses.append(status_at(plan, now, api_url))
    return json_answer(201, {"job_statuses": statuses})
