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
def test_calls_about_jobs_need_a_key_and_the_others_none(path, method, call):
    scopes = {("/v1/jobs", "post"): "submit", ("/v1/jobs/{account}/{id}", "delete"): "admin"}
    needed = [{"key": [scopes.get((path, method), "read")]}] if path.startswith("/v1/") else []
    assert call["security"] == needed


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
