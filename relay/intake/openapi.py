"""The API's description in OpenAPI 3.1, made from the models that check requests and show jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

import relay
from relay.intake.bodies import ITEM, MANY, REPLY, Item, Many, Reply, Submitted
from relay.intake.keys import Scope
from relay.intake.probes import HealthReport
from relay.intake.problems import CONTENT_TYPE, ProblemDocument
from relay.intake.queries import ListQuery, ReadQuery
from relay.intake.views import AccountList, JobDetails, JobPage

SCHEMAS = "#/components/schemas/"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it is described. `answers`: by status, what it means and the model of its JSON (None: no body)."""

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, tuple[str, type[BaseModel] | None]]
    problems: Sequence[int] = ()
    scope: Scope | None = None
    query: type[BaseModel] | None = None
    body: Sequence[type] = ()


JOB = "/v1/jobs/{account}/{id}"
CALLS = (
    Call(
        method="post",
        path="/v1/jobs",
        name="submitJobs",
        summary="Track one job or several; answered once they are durable.",
        scope=Scope.SUBMIT,
        body=(Item, Reply, Many),
        answers={202: ("All jobs are recorded.", Submitted)},
        problems=(400, 401, 403, 408, 413, 415, 422, 429, 500, 503),
    ),
    Call(
        method="get",
        path="/v1/jobs",
        name="listJobs",
        summary="The tracked jobs, newest first.",
        scope=Scope.READ,
        query=ListQuery,
        answers={200: ("A page.", JobPage)},
        problems=(401, 403, 404, 422, 429, 500, 503),
    ),
    Call(
        method="get",
        path=JOB,
        name="readJob",
        summary="One job, at once or when it ends.",
        scope=Scope.READ,
        query=ReadQuery,
        answers={200: ("The job as recorded.", JobDetails)},
        problems=(401, 403, 404, 422, 429, 500, 503),
    ),
    Call(
        method="delete",
        path=JOB,
        name="deleteJob",
        summary="Stop tracking: no event follows; deliveries that are owed go on.",
        scope=Scope.ADMIN,
        answers={204: ("It is not tracked any more.", None)},
        problems=(401, 403, 404, 429, 500, 503),
    ),
    Call(
        method="get",
        path="/v1/accounts",
        name="listAccounts",
        summary="How the accounts stand: their budgets, their jobs, and which of them are paused.",
        scope=Scope.READ,
        answers={200: ("All accounts that the key may see.", AccountList)},
        problems=(401, 403, 500),
    ),
    Call(
        method="get",
        path="/livez",
        name="live",
        summary="Whether work progresses.",
        answers={200: ("It does.", HealthReport), 503: ("It does not: restart.", HealthReport)},
    ),
    Call(
        method="get",
        path="/readyz",
        name="ready",
        summary="Whether requests should be sent here.",
        answers={200: ("They should.", HealthReport), 503: ("Not now.", HealthReport)},
    ),
    Call(
        method="get",
        path="/metrics",
        name="metrics",
        summary="Metrics in the Prometheus text format.",
        answers={200: ("The metrics.", None)},
        problems=(500,),
    ),
    Call(
        method="get",
        path="/openapi.json",
        name="describe",
        summary="This description.",
        answers={200: ("An OpenAPI document.", None)},
    ),
)
PROBLEMS = {
    400: "The body is not readable JSON.",
    401: "No valid API key.",
    403: "The API key lacks the scope.",
    404: "No such job, or no such account.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not plain JSON.",
    422: "Something in the request is not acceptable; nothing was accepted.",
    429: "Too much at once; try again later.",
    500: "Relay failed; nothing is promised.",
    503: "Nothing can be recorded now; try again later.",
}
PROBLEM_HEADERS = {401: "WWW-Authenticate", 403: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
OTHER_CONTENT: Mapping[str, Json] = {
    "metrics": {"text/plain": {"schema": {"type": "string"}}},
    "describe": {"application/json": {"schema": {"type": "object"}}},
}


def describe(*, with_metrics: bool = True) -> bytes:
    """The document as JSON."""
    calls = [call for call in CALLS if with_metrics or call.path != "/metrics"]
    paths: dict[str, Json] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Relay", "version": relay.__version__, "summary": relay.__doc__},
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": _schemas(),
                "responses": {f"Problem{status}": _problem(status) for status in PROBLEMS},
                "securitySchemes": {
                    "key": {"type": "http", "scheme": "bearer", "description": "Needed where keys are configured."}
                },
            },
        }
    )


def _operation(call: Call) -> Json:
    answers = {str(status): _answer(call, status) for status in call.answers}
    problems = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in call.problems}
    described: Json = {
        "operationId": call.name,
        "summary": call.summary,
        "security": [{"key": [call.scope]}] if call.scope else [],
        "responses": answers | problems,
    }
    parameters = [*_path_parameters(call.path), *_query_parameters(call.query)]
    if parameters:
        described["parameters"] = parameters
    if call.body:
        schema = {"oneOf": [{"$ref": SCHEMAS + model.__name__} for model in call.body]}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _answer(call: Call, status: int) -> Json:
    meaning, model = call.answers[status]
    answer: Json = {"description": meaning}
    if model is not None:
        answer["content"] = {"application/json": {"schema": {"$ref": SCHEMAS + model.__name__}}}
    elif call.name in OTHER_CONTENT:
        answer["content"] = OTHER_CONTENT[call.name]
    return answer


def _path_parameters(path: str) -> list[Json]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(model: type[BaseModel] | None) -> list[Json]:
    if model is None:
        return []
    properties = model.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _problem(status: int) -> Json:
    described: Json = {
        "description": PROBLEMS[status],
        "content": {CONTENT_TYPE: {"schema": {"$ref": SCHEMAS + ProblemDocument.__name__}}},
    }
    if status in PROBLEM_HEADERS:
        described["headers"] = {PROBLEM_HEADERS[status]: {"schema": {"type": "string"}}}
    return described


def _schemas() -> Json:
    shown = (Submitted, JobDetails, JobPage, AccountList, HealthReport, ProblemDocument)
    adapters: list[TypeAdapter[Any]] = [ITEM, REPLY, MANY, *(TypeAdapter(model) for model in shown)]
    _, schema = TypeAdapter.json_schemas(
        [(number, "validation", adapter) for number, adapter in enumerate(adapters)],
        ref_template=SCHEMAS + "{model}",
    )
    definitions: Json = schema["$defs"]
    return definitions
