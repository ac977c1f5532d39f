"""The simulator over real sockets: each family of endpoints, and each fault as a client meets it."""

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import count
from socket import create_server

import aiohttp
import orjson
import pytest

from relay.simulator import SCENARIOS, Scenario, Simulator, combine, serve
from relay.simulator.denials import Unauthorized
from relay.simulator.faults import Delays, Drips, Resets, ServerErrors, Truncations, Window
from relay.simulator.tenants import Tenants

FAST = SCENARIOS["fast"]
DEMO = {"Authorization": "Bearer demo"}


@asynccontextmanager
async def running(scenario=FAST, *, now=None, headers=DEMO, **options):
    clock = {} if now is None else {"now": now}
    async with serve(Simulator(scenario=scenario, **options), **clock) as port:
        base_url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(base_url, headers=headers) as session:
            yield session


async def call(session, method, path, **options):
    async with session.request(method, path, **options) as response:
        return response.status, await response.json(content_type=None)


async def started(session, **wish):
    _, reply = await call(session, "POST", "/simulator/jobs", json=wish)
    return [status["id"] for status in reply["job_statuses"]]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v2/tickets/create_many.json", {"tickets": [{"subject": "a"}, {"subject": "b"}]}),
        ("PUT", "/api/v2/tickets/update_many.json?ids=1,2", {"ticket": {"status": "solved"}}),
        ("DELETE", "/api/v2/users/destroy_many?ids=1%2C2", None),
        ("PUT", "/api/v2/tickets/mark_many_as_spam?ids=1,2", None),
        ("POST", "/api/v2/tickets/35436/merge.json", {"ids": [1, 2]}),
        ("POST", "/api/v2/custom_objects/car/jobs", {"job": {"action": "delete", "items": ["a", "b"]}}),
    ],
)
async def test_a_bulk_request_starts_a_job_that_can_be_watched_to_its_end(method, path, body):
    async with running(now=count(1_000.0, 5.0).__next__) as session:
        status, reply = await call(session, method, path, json=body)
        job = reply["job_status"]
        assert (status, job["status"], job["total"]) == (200, "queued", 2)
        assert job["url"] == str(session._base_url / f"api/v2/job_statuses/{job['id']}.json")
        _, seen = await call(session, "GET", job["url"])
        assert seen["job_status"]["status"] == "completed"
        _, seen = await call(session, "GET", f"/api/v2/job_statuses/show_many?ids={job['id']}")
        assert [each["progress"] for each in seen["job_statuses"]] == [2]


async def test_the_list_is_walked_by_its_links():
    async with running(now=lambda: 1_000.0) as session:
        ids = await started(session, count=7)
        seen, following = [], "/api/v2/job_statuses?page[size]=3"
        while following:
            _, page = await call(session, "GET", following)
            seen += [status["id"] for status in page["job_statuses"]]
            following = page["links"]["next"]
        assert seen == ids[::-1]


async def test_accounts_are_chosen_by_path():
    async with running() as session:
        (job_id,) = await started(session, account="acme")
        assert (await call(session, "GET", f"/accounts/acme/api/v2/job_statuses/{job_id}.json"))[0] == 200
        assert (await call(session, "GET", f"/api/v2/job_statuses/{job_id}.json"))[0] == 404


async def test_credentials_are_required_and_basic_api_tokens_are_taken():
    async with running(token="secret", headers=None) as session:
        path = "/api/v2/job_statuses"
        assert await call(session, "GET", path) == (401, {"error": "Couldn't authenticate you"})
        basic = {"Authorization": aiohttp.encode_basic_auth("ada@example.com/token", "secret")}
        assert (await call(session, "GET", path, headers=basic))[0] == 200
        assert (await call(session, "GET", path, headers={"Authorization": "Bearer other"}))[0] == 401


async def test_a_busy_account_runs_out_and_says_for_how_long():
    scenario = Scenario(requests_per_minute=20, tenants=Tenants(requests_per_minute=19))
    async with running(scenario, now=count(1_000.0, 0.01).__next__) as session:
        answers = []
        for _ in range(30):
            async with session.get("/api/v2/job_statuses") as response:
                answers.append((response.status, response.headers))
        statuses = [status for status, _ in answers]
        refused = next(headers for status, headers in answers if status == 429)
        assert statuses[0] == 200
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert refused["x-rate-limit-remaining"] == refused["RateLimit-Remaining"] == "0"


async def test_a_limited_account_answers_429_with_retry_after():
    async with running(combine(FAST, SCENARIOS["limited"])) as session:
        for _ in range(100):
            async with session.get("/api/v2/job_statuses") as response:
                if response.status == 429:
                    break
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 3


async def test_a_reset_connection_gives_no_answer():
    async with running(Scenario(faults=(Resets(probability=1.0),))) as session:
        for _ in range(3):
            with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
                await session.get("/api/v2/job_statuses")


async def test_truncated_replies_are_empty_half_or_cut_off():
    """Three ways to say 200 and nothing of use: none of them can be read as JSON."""
    met = set()
    async with running(Scenario(faults=(Truncations(probability=1.0),))) as session:
        for _ in range(30):
            try:
                async with session.get("/api/v2/job_statuses") as response:
                    text = await response.text()
                    met.add("half" if text else "empty")
                    with pytest.raises(orjson.JSONDecodeError):
                        orjson.loads(text)
            except aiohttp.ClientPayloadError:
                met.add("cut")
    assert met == {"half", "empty", "cut"}


async def test_server_errors_are_html():
    async with (
        running(Scenario(faults=(ServerErrors(probability=1.0),))) as session,
        session.get("/api/v2/job_statuses") as response,
    ):
        assert response.status >= 500
        assert response.content_type == "text/html"


async def test_a_delayed_reply_arrives_whole():
    async with running(Scenario(faults=(Delays(probability=1.0, seconds=(0.05, 0.05)),))) as session:
        assert (await call(session, "GET", "/api/v2/job_statuses"))[0] == 200


async def test_a_dripping_body_begins_at_once_and_trickles_in():
    async with running(Scenario(faults=(Drips(probability=1.0, seconds=(0.3, 0.3)),))) as session:
        await started(session, count=20)
        began, chunks = asyncio.get_running_loop().time(), []
        async with session.get("/api/v2/job_statuses") as response:
            answered = asyncio.get_running_loop().time() - began
            chunks = [chunk async for chunk in response.content.iter_any()]
        took = asyncio.get_running_loop().time() - began
    assert answered < 0.25 < took
    assert len(chunks) > 10
    assert len(orjson.loads(b"".join(chunks))["job_statuses"]) == 20


async def test_a_caller_who_hangs_up_on_a_dripping_body_does_no_harm():
    async with running(Scenario(faults=(Drips(probability=1.0, seconds=(60.0, 60.0)),))) as session:
        with pytest.raises(TimeoutError):
            await call(session, "GET", "/api/v2/job_statuses", timeout=aiohttp.ClientTimeout(total=0.1))
        assert (await call(session, "GET", "/simulator/truth"))[0] == 200


@pytest.mark.parametrize("form", [True, False])
async def test_a_token_is_asked_for_as_json_or_as_a_form_and_lets_in(form):
    asked = {"grant_type": "client_credentials", "client_id": "relay", "client_secret": "s", "scope": "read"}
    async with running(SCENARIOS["issued-tokens"], headers=None) as session:
        status, issued = await call(session, "POST", "/oauth/tokens", **{"data" if form else "json": asked})
        bearer = {"Authorization": f"Bearer {issued['access_token']}"}
        assert (status, issued["expires_in"]) == (200, 1_800)
        assert (await call(session, "GET", "/api/v2/job_statuses", headers=bearer))[0] == 200
        assert (await call(session, "GET", "/api/v2/job_statuses", headers=DEMO))[0] == 401


async def test_circumstances_change_and_tokens_die_on_demand():
    async with running() as session:
        _, pair = await call(session, "POST", "/simulator/oauth/grant")
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        assert (await call(session, "GET", "/api/v2/job_statuses", headers=bearer))[0] == 200
        await call(session, "POST", "/simulator/oauth/expire")
        assert (await call(session, "GET", "/api/v2/job_statuses", headers=bearer))[0] == 401
        await call(session, "PUT", "/simulator/scenario", json={"names": ["headers-none"]})
        async with session.get("/api/v2/job_statuses") as response:
            assert "X-Rate-Limit" not in response.headers


async def test_an_unauthorized_period_begins_and_ends():
    scenario = Scenario(faults=(Unauthorized(window=Window(after_seconds=2.0, for_seconds=2.0)),))
    async with running(scenario, now=count(1_000.0).__next__) as session:
        statuses = [(await call(session, "GET", "/api/v2/job_statuses"))[0] for _ in range(6)]
    assert statuses == [200, 200, 401, 401, 200, 200]


async def test_a_forgetful_account_answers_404_and_omits_before_it_remembers():
    async with running(SCENARIOS["forgetful"], now=count(1_000.0, 0.01).__next__) as session:
        ids = await started(session, count=20)
        single = [(await call(session, "GET", f"/api/v2/job_statuses/{job_id}"))[0] for job_id in ids]
        _, many = await call(session, "GET", f"/api/v2/job_statuses/show_many?ids={','.join(ids)}")
        _, listed = await call(session, "GET", "/api/v2/job_statuses")
    assert {200, 404} == set(single)
    assert len(many["job_statuses"]) == single.count(200)
    assert len(listed["job_statuses"]) == 20


async def test_truth_and_log_are_told_without_credentials_or_faults():
    everything = combine(SCENARIOS["mixed"], *(Scenario(faults=each.faults) for each in SCENARIOS.values()))
    async with running(everything, headers=None) as session:
        ids = await started(session, count=3, fate="killed", items=4)
        _, truth = await call(session, "GET", "/simulator/truth")
        assert [job["id"] for job in truth["jobs"]] == ids
        assert {job["outcome"] for job in truth["jobs"]} == {"failed"}
        await call(session, "GET", "/api/v2/job_statuses")
        _, log = await call(session, "GET", "/simulator/requests")
        assert [record["status"] for record in log["requests"]] == [401]


async def test_every_job_of_a_mixed_run_comes_to_the_end_that_the_truth_knows():
    """Read through a flaky connection, by hand, as a client would."""
    async with running(combine(FAST, SCENARIOS["mixed"], SCENARIOS["flaky"])) as session:
        ids = await started(session, count=100, items=3)
        _, truth = await call(session, "GET", "/simulator/truth")
        expected = {job["id"]: job["status"] for job in truth["jobs"] if job["status"]}
        seen = {}
        async with asyncio.timeout(20):
            while len(seen) < len(expected):
                try:
                    _, reply = await call(session, "GET", f"/api/v2/job_statuses/show_many?ids={','.join(ids)}")
                except (aiohttp.ClientError, ValueError):
                    continue
                seen |= {
                    each["id"]: each["status"]
                    for each in reply["job_statuses"]
                    if each["status"] not in {"queued", "working"}
                }
    assert seen == expected


async def test_no_scenario_breaks_the_server(caplog):
    """An error of its own would look like one that is played."""
    calls = [
        ("GET", "/api/v2/job_statuses", {}),
        ("GET", "/api/v2/job_statuses/show_many.json?ids=a,b", {}),
        ("POST", "/api/v2/tickets/create_many", {"json": {"tickets": [{}]}}),
        (
            "POST",
            "/oauth/tokens",
            {"data": {"grant_type": "client_credentials", "client_id": "a", "client_secret": "s"}},
        ),
    ]
    async with running() as session:
        for name in SCENARIOS:
            assert (await call(session, "PUT", "/simulator/scenario", json={"names": [name]}))[0] == 200
            for method, path, options in calls * 2:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.request(
                        method, path, timeout=aiohttp.ClientTimeout(total=0.2), **options
                    ) as response:
                        await response.read()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_taken_port_is_an_error():
    with create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        async with serve(Simulator(), port=taken.getsockname()[1]):
            pass
