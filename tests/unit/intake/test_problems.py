import orjson
import pytest

from relay.errors import LedgerError, Reason, Unavailable
from relay.intake.problems import TITLES, Code, Fault, Problem, invalid, unavailable


def fault(code, index=0):
    return Fault(index=index, pointer="/id", code=code, detail=f"fault {index}")


def test_a_problem_is_rendered_with_every_member_of_the_contract():
    problem = Problem(422, Code.INVALID_FIELD, "what is wrong", faults=[fault(Code.INVALID_FIELD)])
    assert orjson.loads(problem.document()) == {
        "type": "urn:relay:problem:invalid_field",
        "title": TITLES[Code.INVALID_FIELD],
        "status": 422,
        "code": "invalid_field",
        "detail": "what is wrong",
        "errors": [{"index": 0, "pointer": "/id", "code": "invalid_field", "detail": "fault 0"}],
    }


def test_errors_is_a_list_even_when_there_is_nothing_to_list():
    assert orjson.loads(Problem(404, Code.NOT_FOUND, "no").document())["errors"] == []


def test_every_code_has_a_title():
    assert set(TITLES) == set(Code)


def test_faults_that_agree_give_the_problem_their_code_and_others_are_invalid_fields():
    assert invalid([fault(Code.UNKNOWN_ACCOUNT, 0), fault(Code.UNKNOWN_ACCOUNT, 1)]).code is Code.UNKNOWN_ACCOUNT
    assert invalid([fault(Code.UNKNOWN_ACCOUNT, 0), fault(Code.ACCOUNT_REQUIRED, 1)]).code is Code.INVALID_FIELD


def test_a_single_fault_speaks_for_the_problem():
    assert invalid([fault(Code.INVALID_FIELD)]).detail == "fault 0"


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (Unavailable(Reason.OVERLOADED, "busy", 0.2), 429, Code.OVERLOADED, "1"),
        (Unavailable(Reason.OVERLOADED, "busy", 1.2), 429, Code.OVERLOADED, "2"),
        (Unavailable(Reason.LEDGER_UNAVAILABLE, "disk full", 5), 503, Code.LEDGER_UNAVAILABLE, "5"),
        (Unavailable(Reason.DRAINING, "bye", 0), 503, Code.DRAINING, "1"),
        (LedgerError("/secret/path: disk I/O error"), 503, Code.LEDGER_UNAVAILABLE, "1"),
    ],
)
def test_what_cannot_be_taken_now_says_when_to_come_back(error, status, code, retry_after):
    problem = unavailable(error)
    assert (problem.status, problem.code) == (status, code)
    assert problem.headers["Retry-After"] == retry_after


def test_the_ledgers_own_words_are_not_shown():
    assert "secret" not in unavailable(LedgerError("/secret/path")).detail


def test_what_it_quotes_can_always_be_sent():
    quoted = b"text/\xff".decode(errors="surrogateescape")
    document = orjson.loads(Problem(415, Code.UNSUPPORTED_MEDIA_TYPE, f"{quoted} is not taken").document())
    assert document["detail"] == "text/? is not taken"
