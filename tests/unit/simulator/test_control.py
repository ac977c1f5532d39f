import orjson
import pytest

from relay.simulator.answer import Request
from relay.simulator.control import control
from relay.simulator.model import Simulator


def ask(simulator, method, path, body=None, **query):
    request = Request(method=method, path=f"/simulator/{path}", query=query, body=orjson.dumps(body) if body else b"")
    answer = control(simulator, request, 100.0)
    return answer.status, orjson.loads(answer.body)


def test_sample_jobs_are_started_as_wished_past_all_limits():
    simulator = Simulator()
    wish = {"count": 50, "items": 4, "fate": "failed", "queue_seconds": 1, "work_seconds": 2, "kind": "update_users"}
    status, reply = ask(simulator, "POST", "jobs", {"account": "acme", **wish})
    assert (status, len(reply["job_statuses"])) == (201, 50)
    assert "/accounts/acme/api/v2/job_statuses/" in reply["job_statuses"][0]["url"]
    _, truth = ask(simulator, "GET", "truth")
    assert {job["id"] for job in truth["jobs"]} == {job["id"] for job in reply["job_statuses"]}
    (ended_at,) = {job["ended_at"] for job in truth["jobs"]}
    assert ended_at == 103.0
    assert {(job["status"], job["outcome"], job["failed"]) for job in truth["jobs"]} == {("failed", "failed", 4)}


def test_an_empty_wish_starts_one_job():
    assert len(ask(Simulator(), "POST", "jobs")[1]["job_statuses"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"fate": "odd"},
        {"kind": "odd"},
        {"count": 0},
        {"items": 101},
        {"work_seconds": -1},
        {"colour": 1},
        {"account": "a/b"},
    ],
)
def test_a_wish_that_makes_no_sense_starts_nothing(body):
    simulator = Simulator()
    assert ask(simulator, "POST", "jobs", body)[0] == 422
    assert list(simulator.plans()) == []


def test_truth_and_requests_can_be_asked_for_one_account():
    simulator = Simulator()
    for account in ("a", "b"):
        ask(simulator, "POST", "jobs", {"account": account})
        path = f"/accounts/{account}/api/v2/job_statuses"
        simulator.answer(Request(method="GET", path=path, authorization="Bearer x"), 5.0)
    assert [job["account"] for job in ask(simulator, "GET", "truth", account="a")[1]["jobs"]] == ["a"]
    (record,) = ask(simulator, "GET", "requests", account="b")[1]["requests"]
    assert record == {"at": 5.0, "account": "b", "call": "list", "ids": 0, "status": 200, "remaining": 699}


def test_there_is_nothing_else_to_ask():
    assert ask(Simulator(), "GET", "jobs")[0] == 404
