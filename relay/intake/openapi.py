"""The API's description in OpenAPI 3.1, made from the catalogue and the models that check requests and show answers."""

from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

import relay
from relay.intake.catalogue import CALLS, PROBLEM_HEADERS, PROBLEMS, Call
from relay.intake.problems import CONTENT_TYPE, ProblemDocument

SCHEMAS = "#/components/schemas/"
JSON_TYPE = "application/json"
Json = dict[str, Any]


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
        "security": [{"key": [scope]} for scope in call.scopes],
        "responses": answers | problems,
    }
    parameters = [*_path_parameters(call.path), *_query_parameters(call.query), *_header_parameters(call)]
    if parameters:
        described["parameters"] = parameters
    if call.body:
        schema = {"oneOf": [{"$ref": SCHEMAS + model.__name__} for model in call.body]}
        described["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": schema}}}
    return described


def _answer(call: Call, status: int) -> Json:
    meaning, model = call.answers[status]
    content: Json = {media_type: {"schema": schema} for media_type, schema in call.other_content.items()}
    if model is not None:
        content[JSON_TYPE] = {"schema": {"$ref": SCHEMAS + model.__name__}}
    return {"description": meaning, "content": content} if content else {"description": meaning}


def _path_parameters(path: str) -> list[Json]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(model: type[BaseModel] | None) -> list[Json]:
    if model is None:
        return []
    properties = model.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _header_parameters(call: Call) -> list[Json]:
    return [
        {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
        for name, description in call.headers.items()
    ]


def _problem(status: int) -> Json:
    described: Json = {
        "description": PROBLEMS[status],
        "content": {CONTENT_TYPE: {"schema": {"$ref": SCHEMAS + ProblemDocument.__name__}}},
    }
    if status in PROBLEM_HEADERS:
        described["headers"] = {PROBLEM_HEADERS[status]: {"schema": {"type": "string"}}}
    return described


def _schemas() -> Json:
    shown = {model for call in CALLS for _, model in call.answers.values() if model}
    taken = {model for call in CALLS for model in call.body}
    models: list[type[Any]] = sorted({ProblemDocument, *shown, *taken}, key=lambda model: model.__name__)
    _, schema = TypeAdapter.json_schemas(
        [(number, "validation", TypeAdapter(model)) for number, model in enumerate(models)],
        ref_template=SCHEMAS + "{model}",
    )
    definitions: Json = schema["$defs"]
    return definitions
