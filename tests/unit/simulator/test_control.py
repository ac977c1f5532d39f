import orjson
import pytest

from relay.simulator.answer import Request
from relay.simulator.control import control
from relay.simulator.model import Simulator
from relay.simulator.scenario import Scenario, combine
from relay.simulator.scenarios import SCENARIOS
from relay.simulator.tenants import Tenants


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


def test_circumstances_change_while_the_simulator_runs():
    simulator = Simulator()
    assert ask(simulator, "PUT", "scenario", {"names": ["mixed", "dead-subdomain"]}) == (
        200,
        {"names": ["mixed", "dead-subdomain"]},
    )
    assert simulator.scenario == combine(SCENARIOS["mixed"], SCENARIOS["dead-subdomain"])
    assert ask(simulator, "PUT", "scenario", {"names": []})[0] == 200
    assert simulator.scenario == Scenario()


@pytest.mark.parametrize("body", [{"names": ["odd"]}, {"names": "calm"}, {}, {"scenario": "calm"}])
def test_a_scenario_that_does_not_exist_changes_nothing(body):
    simulator = Simulator()
    assert ask(simulator, "PUT", "scenario", body)[0] == 422
    assert simulator.scenario == Scenario()


def test_the_scenarios_are_told():
    status, reply = ask(Simulator(), "GET", "scenarios")
    assert (status, set(reply["scenarios"])) == (200, set(SCENARIOS))


def test_the_harm_done_to_other_tenants_is_told():
    simulator = Simulator(scenario=Scenario(requests_per_minute=10, tenants=Tenants(requests_per_minute=30)))
    assert ask(simulator, "GET", "tenants", account="acme")[0] == 200
    told = control(simulator, Request(method="GET", path="/simulator/tenants", query={"account": "acme"}), 700.0)
    tally = orjson.loads(told.body)
    assert 300 <= tally["requests"] <= 330
    assert tally["refused"] == tally["refused_alone"] > 150


def bearer(simulator, token):
    path = "/accounts/acme/api/v2/job_statuses"
    return simulator.answer(Request(method="GET", path=path, authorization=f"Bearer {token}"), 100.0).status


def test_tokens_are_granted_expired_revoked_and_restored():
    simulator, acme = Simulator(), {"account": "acme"}
    status, pair = ask(simulator, "POST", "oauth/grant", acme)
    assert (status, bearer(simulator, pair["access_token"])) == (201, 200)
    ask(simulator, "POST", "oauth/revoke", acme)
    assert bearer(simulator, pair["access_token"]) == 401
    ask(simulator, "POST", "oauth/restore", acme)
    assert bearer(simulator, pair["access_token"]) == 200
    ask(simulator, "POST", "oauth/expire", acme)
    assert bearer(simulator, pair["access_token"]) == 401


def test_a_body_that_is_not_json_is_refused():
    request = Request(method="POST", path="/simulator/oauth/expire", body=b"{")
    assert control(Simulator(), request, 0.0).status == 422


def test_there_is_nothing_else_to_ask():
    assert ask(Simulator(), "GET", "jobs")[0] == 404
