import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from relay.intake.openapi import PROBLEM_HEADERS, describe
from relay.intake.problems import Code

DOCUMENT = orjson.loads(describe())
OPERATIONS = [(path, method, call) for path, calls in DOCUMENT["paths"].items() for method, call in calls.items()]


def test_the_description_is_valid_openapi():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


@pytest.mark.parametrize(("path", "method", "call"), OPERATIONS)
def test_calls_need_a_key_and_those_about_the_process_none(path, method, call):
    scopes = {
        ("/v1/jobs", "post"): ["submit"],
        ("/v1/sinks", "get"): ["read", "admin"],
        ("/v1/deliveries", "get"): ["admin"],
        ("/v1/ledger/backup", "get"): ["admin"],
    }
    usual = ["read"] if method == "get" else ["admin"]
    needed = scopes.get((path, method), usual) if path.startswith("/v1/") else []
    assert call["security"] == [{"key": [scope]} for scope in needed]


@pytest.mark.parametrize(("path", "method", "call"), OPERATIONS)
def test_every_problem_that_a_call_names_is_described(path, method, call):
    described = DOCUMENT["components"]["responses"]
    references = [answer["$ref"] for answer in call["responses"].values() if "$ref" in answer]
    assert all(reference.rpartition("/")[2] in described for reference in references)


def test_events_are_described_as_a_page_and_as_a_stream():
    answer = DOCUMENT["paths"]["/v1/events"]["get"]["responses"]["200"]
    assert set(answer["content"]) == {"application/json", "text/event-stream"}


def test_every_code_is_described():
    assert DOCUMENT["components"]["schemas"]["Code"]["enum"] == list(Code)


def test_the_headers_of_problems_are_described():
    for status, header in PROBLEM_HEADERS.items():
        assert header in DOCUMENT["components"]["responses"][f"Problem{status}"]["headers"]


def test_the_three_forms_of_a_submission_are_described():
    schema = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert [form["$ref"].rpartition("/")[2] for form in schema["oneOf"]] == ["Item", "Reply", "Many"]


def test_without_metrics_they_are_not_described():
    assert set(DOCUMENT["paths"]) - set(orjson.loads(describe(with_metrics=False))["paths"]) == {"/metrics"}
