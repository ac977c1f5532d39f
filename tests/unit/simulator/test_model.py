from base64 import b64encode
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.simulator.asking import get, post_tickets, show_many, shown, start

from relay.simulator.answer import Hangup, Request
from relay.simulator.faults import Resets
from relay.simulator.model import Simulator
from relay.simulator.plan import Fate
from relay.simulator.scenario import Scenario, combine
from relay.simulator.scenarios import SCENARIOS

DAY = 86_400.0


def test_a_bulk_endpoint_answers_with_a_queued_job_of_as_many_items():
    answer = post_tickets(Simulator(base_url="https://acme.zendesk.com"), 7)
    job = orjson.loads(answer.body)["job_status"]
    assert (answer.status, job["status"], job["total"], job["results"]) == (200, "queued", 7, None)
    assert job["url"] == f"https://acme.zendesk.com/api/v2/job_statuses/{job['id']}.json"


@pytest.mark.parametrize(("count", "error"), [(0, "ParameterMissing"), (101, "TooManyValues")])
def test_a_bulk_request_names_between_one_and_a_hundred_items(count, error):
    answer = post_tickets(Simulator(), count)
    assert (answer.status, orjson.loads(answer.body)["error"]) == (400, error)


def test_the_thirty_first_job_is_refused_naming_those_that_run():
    simulator = Simulator()
    ids = [orjson.loads(post_tickets(simulator, 1).body)["job_status"]["id"] for _ in range(30)]
    refused = post_tickets(simulator, 1)
    assert (refused.status, orjson.loads(refused.body)["error"]) == (429, "TooManyJobs")
    assert sorted(orjson.loads(refused.body)["current_job_ids"]) == sorted(ids)
    assert post_tickets(simulator, 1, now=60.0).status == 200


def test_a_job_is_forgotten_a_day_after_it_started_while_the_truth_is_told():
    simulator = Simulator()
    (job_id,) = start(simulator)
    assert shown(show_many(simulator, [job_id], DAY - 1)) == [job_id]
    assert shown(show_many(simulator, [job_id], DAY)) == []
    assert [plan.id for plan in simulator.plans()] == [job_id]


def test_nothing_is_kept_for_ever():
    simulator = Simulator()
    start(simulator, 10)
    (newest,) = start(simulator, now=3 * DAY)
    assert [plan.id for plan in simulator.plans()] == [newest]


def test_accounts_have_their_own_jobs_budgets_and_urls():
    simulator = Simulator(scenario=replace(Scenario(), requests_per_minute=1))
    (acme,) = start(simulator, account="acme")
    answer = show_many(simulator, [acme], prefix="/accounts/acme")
    (status,) = orjson.loads(answer.body)["job_statuses"]
    assert status["url"] == f"https://example.zendesk.com/accounts/acme/api/v2/job_statuses/{acme}.json"
    assert shown(show_many(simulator, [acme])) == []
    assert show_many(simulator, [acme], prefix="/accounts/acme").status == 429


def test_an_address_that_is_no_help_desk_answers_in_plain_text():
    assert get(Simulator(), "/elsewhere/api/v2/job_statuses").status == 404
    assert get(Simulator(), "/").body == b"No help desk at this address"


def test_submissions_drain_the_same_minute_as_reads():
    simulator = Simulator(scenario=replace(Scenario(), requests_per_minute=2))
    assert post_tickets(simulator, 1).headers["X-Rate-Limit-Remaining"] == "1"
    assert show_many(simulator, []).headers["ratelimit-remaining"] == "0"
    refused = show_many(simulator, [])
    assert refused.status == 429
    assert refused.headers["Retry-After"] == refused.headers["ratelimit-reset"]


def test_a_retry_after_holds_until_it_is_over():
    """Whoever comes back too soon gets another 429, for the time that is left."""
    simulator = Simulator(scenario=SCENARIOS["limited"])
    now, answer = 0.0, show_many(simulator, [])
    while answer.status != 429:
        answer = show_many(simulator, [], now)
    wait = int(answer.headers["Retry-After"])
    assert [show_many(simulator, [], now + wait - 0.5).status for _ in range(20)] == [429] * 20
    assert 200 in {show_many(simulator, [], now + wait + 10 * attempt).status for attempt in range(20)}


def basic(text):
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize("authorization", ["Bearer abc", "bearer abc", basic("ada@example.com/token:abc")])
def test_any_credentials_will_do_unless_a_token_is_required(authorization):
    request = Request(method="GET", path="/api/v2/job_statuses", authorization=authorization)
    assert Simulator().answer(request, 0.0).status == 200
    assert Simulator(token="abc").answer(request, 0.0).status == 200
    assert Simulator(token="other").answer(request, 0.0).status == 401


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "abc", "Basic ?", basic("ada@example.com:secret")])
def test_without_credentials_nothing_is_told(authorization):
    """Email and password count as none: they are gone since January 2026."""
    answer = Simulator().answer(Request(method="GET", path="/api/v2/job_statuses", authorization=authorization), 0.0)
    assert (answer.status, orjson.loads(answer.body)) == (401, {"error": "Couldn't authenticate you"})


def test_every_request_is_logged_with_what_became_of_it():
    simulator = Simulator(scenario=replace(Scenario(), requests_per_minute=2))
    (job_id,) = start(simulator)
    show_many(simulator, [job_id, "x"], 1.0)
    post_tickets(simulator, 1, 2.0)
    get(simulator, f"/api/v2/job_statuses/{job_id}", 3.0)
    simulator.answer(Request(method="GET", path="/api/v2/job_statuses"), 4.0)
    log = [(record.at, record.call, record.ids, record.status, record.remaining) for record in simulator.requests]
    assert log == [
        (1.0, "show_many", 2, 200, 1),
        (2.0, "start", 0, 200, 0),
        (3.0, "show", 1, 429, 0),
        (4.0, "list", 0, 401, None),
    ]


def test_faults_never_strike_the_start_of_a_job():
    everything = combine(SCENARIOS["flaky"], SCENARIOS["fast"], SCENARIOS["unauthorized"])
    simulator = Simulator(scenario=everything)
    assert {post_tickets(simulator, 1, float(second)).status for second in range(50)} == {200}


def test_an_ended_job_is_told_in_the_same_bytes_for_each_address():
    """The kept rendering of an ended job does not leak the address that another caller used."""
    simulator = Simulator()
    (job_id,) = start(simulator, queue_seconds=0, work_seconds=0)

    def url(base_url):
        request = Request(
            method="GET", path=f"/api/v2/job_statuses/{job_id}", authorization="Bearer x", base_url=base_url
        )
        return orjson.loads(simulator.answer(request, 1.0).body)["job_status"]["url"]

    assert url("http://a").startswith("http://a/")
    assert url("http://b").startswith("http://b/")


calls = st.lists(
    st.tuples(st.sampled_from(["show_many", "list", "start"]), st.sampled_from(["", "/accounts/b"]), st.floats(0, 9)),
    max_size=30,
)


def play(seed, scenario, script):
    simulator, now, replies = Simulator(seed=seed, scenario=scenario), 0.0, []
    for call, prefix, seconds in script:
        now += seconds
        if call == "start":
            replies.append(post_tickets(simulator, 3, now, f"{prefix}/api/v2/tickets/create_many"))
        elif call == "list":
            replies.append(get(simulator, f"{prefix}/api/v2/job_statuses", now))
        else:
            replies.append(show_many(simulator, [plan.id for plan in simulator.plans()][:100], now, prefix))
    return replies


@settings(max_examples=50)
@given(st.integers(0, 1_000), st.sets(st.sampled_from(sorted(SCENARIOS))), calls)
def test_the_same_seed_and_calls_give_the_same_bytes(seed, names, script):
    scenario = combine(*(SCENARIOS[name] for name in sorted(names)))
    assert play(seed, scenario, script) == play(seed, scenario, script)


def test_another_seed_gives_other_jobs():
    assert start(Simulator(seed=1)) != start(Simulator(seed=2))


def test_a_job_does_not_depend_on_what_other_accounts_do():
    quiet, loud = Simulator(scenario=SCENARIOS["mixed"]), Simulator(scenario=SCENARIOS["mixed"])
    start(loud, 10, account="other")
    show_many(loud, [])
    assert start(quiet, 5) == start(loud, 5)


def test_a_wish_reaches_the_job():
    simulator = Simulator()
    start(simulator, fate=Fate.KILLED, queue_seconds=0, work_seconds=1)
    (plan,) = simulator.plans("default")
    assert (plan.fate, plan.ended_at) == (Fate.KILLED, 1.0)
    assert list(simulator.plans("another")) == []


def ask_token(simulator, now=0.0, prefix="", **asked):
    body = orjson.dumps({"client_id": "relay", "client_secret": "s", "grant_type": "client_credentials"} | asked)
    return simulator.answer(Request(method="POST", path=f"{prefix}/oauth/tokens", body=body), now)


def read_with(simulator, token, now=0.0, prefix=""):
    path = f"{prefix}/api/v2/job_statuses"
    return simulator.answer(Request(method="GET", path=path, authorization=f"Bearer {token}"), now)


def test_a_token_is_got_without_credentials_and_lets_in_until_it_expires():
    simulator = Simulator(scenario=SCENARIOS["issued-tokens"])
    assert read_with(simulator, "demo").status == 401
    token = orjson.loads(ask_token(simulator).body)["access_token"]
    assert read_with(simulator, token, 1_799.0).status == 200
    expired = read_with(simulator, token, 1_800.0)
    assert (expired.status, orjson.loads(expired.body)["error"]) == (401, "invalid_token")


def test_a_token_is_good_for_its_own_account_only():
    simulator = Simulator(scenario=SCENARIOS["issued-tokens"])
    token = orjson.loads(ask_token(simulator, prefix="/accounts/acme").body)["access_token"]
    assert read_with(simulator, token, prefix="/accounts/acme").status == 200
    assert read_with(simulator, token).status == 401


def test_an_issued_token_is_accepted_beside_the_one_that_is_required():
    simulator = Simulator(token="secret")
    token = orjson.loads(ask_token(simulator).body)["access_token"]
    assert [read_with(simulator, each).status for each in (token, "secret", "other")] == [200, 200, 401]


def test_a_token_without_the_scope_is_forbidden_to_read():
    simulator = Simulator()
    token = orjson.loads(ask_token(simulator, scope="tickets:read").body)["access_token"]
    answer = read_with(simulator, token)
    assert (answer.status, "scopes" in orjson.loads(answer.body)["description"]) == (403, True)


def test_requests_for_tokens_drain_the_minute_and_are_logged():
    simulator = Simulator(scenario=Scenario(requests_per_minute=2))
    assert [ask_token(simulator, at).status for at in (0.0, 1.0, 2.0)] == [200, 200, 429]
    assert [(record.call, record.status) for record in simulator.requests] == [
        ("token", 200),
        ("token", 200),
        ("token", 429),
    ]


def test_a_request_for_a_token_that_is_struck_has_no_effect():
    """Otherwise a refresh token would be used up although nobody got the new one."""
    simulator = Simulator(scenario=Scenario(faults=(Resets(probability=0.5),)))
    refresh, outcomes = "demo", []
    for second in range(40):
        reply = ask_token(simulator, float(second), grant_type="refresh_token", refresh_token=refresh)
        outcomes.append(reply)
        if reply != Hangup():
            refresh = orjson.loads(reply.body)["refresh_token"]
    assert Hangup() in outcomes
    assert {reply.status for reply in outcomes if reply != Hangup()} == {200}


def test_only_a_post_gives_a_token():
    assert Simulator().answer(Request(method="GET", path="/oauth/tokens"), 0.0).status == 404
    assert Simulator().answer(Request(method="POST", path="/oauth/tokens/x"), 0.0).status == 404


def test_a_dead_subdomain_has_neither_jobs_nor_tokens_for_a_while():
    simulator = Simulator(scenario=SCENARIOS["dead-subdomain"])
    assert [read_with(simulator, "x", at).status for at in (0.0, 5.0, 124.9, 125.0)] == [200, 404, 404, 200]
    assert read_with(Simulator(scenario=SCENARIOS["dead-subdomain"]), "x", 0.0).status == 200
    young = Simulator(scenario=SCENARIOS["dead-subdomain"])
    assert [ask_token(young, at).status for at in (0.0, 5.0, 125.0)] == [200, 404, 200]


def test_a_huge_retry_after_holds_as_long_as_it_says():
    simulator = Simulator(scenario=SCENARIOS["retry-huge"])
    now = 0.0
    while show_many(simulator, [], now).status != 429:
        now += 1.0
    assert show_many(simulator, [], now + 7_199.0).headers["Retry-After"] == "1"
    assert 200 in {show_many(simulator, [], now + 7_200.0 + attempt).status for attempt in range(5)}


def test_a_429_comes_although_much_remains():
    simulator = Simulator(scenario=SCENARIOS["limited"])
    answers = [show_many(simulator, [], float(second)) for second in range(20)]
    assert min(int(answer.headers["X-Rate-Limit-Remaining"]) for answer in answers if answer.status == 429) > 600


def test_a_scenario_may_be_exchanged_and_started_jobs_keep_their_course():
    simulator = Simulator(scenario=SCENARIOS["failing"])
    (first,) = start(simulator)
    simulator.scenario = SCENARIOS["headers-none"]
    (second,) = start(simulator)
    answer = show_many(simulator, [first, second], 60.0)
    assert "X-Rate-Limit" not in answer.headers
    words = {status["id"]: status["status"] for status in orjson.loads(answer.body)["job_statuses"]}
    assert words == {first: "failed", second: "completed"}


def test_tenants_that_meet_a_429_are_counted():
    simulator = Simulator(scenario=SCENARIOS["busy"])
    for _ in range(200):
        show_many(simulator, [], 0.0)
    tally = simulator.tenants("default", 59.0)
    assert tally.refused > 50
    assert tally.refused_alone == 0
