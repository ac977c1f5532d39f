"""`/simulator/…`: sample jobs on demand, other circumstances, and the truth for those who check.

No credentials, no limits, no faults.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relay.simulator.answer import Answer, Request, error_answer, json_answer
from relay.simulator.endpoints import ITEMS_MAX
from relay.simulator.kinds import KINDS
from relay.simulator.model import Simulator
from relay.simulator.plan import Fate
from relay.simulator.planning import Wish
from relay.simulator.routing import DEFAULT_ACCOUNT
from relay.simulator.scenario import combine
from relay.simulator.scenarios import SCENARIOS
from relay.simulator.status import status_at
from relay.simulator.truth import truth_of

PREFIX = "/simulator/"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfAccount(_Body):
    """The body of `POST /simulator/oauth/…`."""

    account: str = Field(DEFAULT_ACCOUNT, pattern="^[A-Za-z0-9_.-]{1,64}$")


class SampleJobs(OfAccount):
    """The body of `POST /simulator/jobs`. What is null is left to the scenario."""

    count: int = Field(1, ge=1, le=100_000)
    items: int = Field(10, ge=1, le=ITEMS_MAX)
    kind: str = Field("create_tickets", json_schema_extra={"enum": list(KINDS)})
    fate: Fate | None = None
    queue_seconds: float | None = Field(None, ge=0, le=86_400)
    work_seconds: float | None = Field(None, ge=0, le=86_400)


class Names(_Body):
    """The body of `PUT /simulator/scenario`."""

    names: tuple[str, ...]


def control(simulator: Simulator, request: Request, now: float) -> Answer:
    handle = _HANDLERS.get((request.method, request.path.removeprefix(PREFIX)))
    if handle is None:
        return error_answer(404, "InvalidEndpoint", "Not found")
    try:
        return handle(simulator, request, now)
    except (orjson.JSONDecodeError, ValidationError) as problem:
        return error_answer(422, "InvalidValue", str(problem))


def _start(simulator: Simulator, request: Request, now: float) -> Answer:
    wanted = SampleJobs.model_validate(_document(request))
    kind = KINDS.get(wanted.kind)
    if kind is None:
        return error_answer(422, "InvalidValue", f"kind must be one of {', '.join(KINDS)}")
    wish = Wish(fate=wanted.fate, queue_seconds=wanted.queue_seconds, work_seconds=wanted.work_seconds)
    api_url = simulator.api_url(wanted.account, request.base_url)
    statuses: list[dict[str, Any]] = []
    for _ in range(wanted.count):
        plan = simulator.start(kind, [None] * wanted.items, now, account=wanted.account, wish=wish)
        statuses.append(status_at(plan, now, api_url))
    return json_answer(201, {"job_statuses": statuses})


def _tell_truth(simulator: Simulator, request: Request, now: float) -> Answer:  # noqa: ARG001 - a handler
    return json_answer(200, {"jobs": [truth_of(plan) for plan in simulator.plans(request.query.get("account"))]})


def _tell_requests(simulator: Simulator, request: Request, now: float) -> Answer:  # noqa: ARG001 - a handler
    account = request.query.get("account")
    return json_answer(
        200, {"requests": [record for record in simulator.requests if account in {None, record.account}]}
    )


def _tell_tenants(simulator: Simulator, request: Request, now: float) -> Answer:
    return json_answer(200, simulator.tenants(request.query.get("account", DEFAULT_ACCOUNT), now))


def _tell_scenarios(simulator: Simulator, request: Request, now: float) -> Answer:  # noqa: ARG001 - a handler
    return json_answer(200, {"scenarios": {name: scenario.about for name, scenario in SCENARIOS.items()}})


def _change(simulator: Simulator, request: Request, now: float) -> Answer:  # noqa: ARG001 - a handler
    names = Names.model_validate(_document(request)).names
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        return error_answer(422, "InvalidValue", f"there is no scenario {', '.join(unknown)}")
    simulator.scenario = combine(*(SCENARIOS[name] for name in names))
    return json_answer(200, {"names": names})


def _grant(simulator: Simulator, request: Request, now: float) -> Answer:
    account = OfAccount.model_validate(_document(request)).account
    return json_answer(201, simulator.grants(account).first_pair(now, simulator.scenario.oauth))


def _expire(simulator: Simulator, request: Request, now: float) -> Answer:  # noqa: ARG001 - a handler
    simulator.grants(OfAccount.model_validate(_document(request)).account).expire()
    return json_answer(200, {})


def _set_revoked(*, revoked: bool) -> Callable[[Simulator, Request, float], Answer]:
    def handle(simulator: Simulator, request: Request, now: float) -> Answer:  # noqa: ARG001 - a handler
        simulator.grants(OfAccount.model_validate(_document(request)).account).revoked = revoked
        return json_answer(200, {})

    return handle


def _document(request: Request) -> Any:  # noqa: ANN401 - JSON
    return orjson.loads(request.body or b"{}")


_HANDLERS: Mapping[tuple[str, str], Callable[[Simulator, Request, float], Answer]] = MappingProxyType(
    {
        ("POST", "jobs"): _start,
        ("GET", "truth"): _tell_truth,
        ("GET", "requests"): _tell_requests,
        ("GET", "tenants"): _tell_tenants,
        ("GET", "scenarios"): _tell_scenarios,
        ("PUT", "scenario"): _change,
        ("POST", "oauth/grant"): _grant,
        ("POST", "oauth/expire"): _expire,
        ("POST", "oauth/revoke"): _set_revoked(revoked=True),
        ("POST", "oauth/restore"): _set_revoked(revoked=False),
    }
)
