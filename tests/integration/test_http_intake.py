"""The HTTP intake over real sockets: submitting, looking up, what every call has in common."""

import asyncio
import logging
from urllib.parse import urlencode

import orjson
import pytest
from integration.api import (
    ACCOUNTS,
    JSON,
    api_of,
    assert_described,
    bearer,
    head_of,
    key,
    problem_in,
    raw,
    running,
    validator,
)
from integration.processes import until

from relay.core.job import DELETED, Outcome
from relay.core.standing import AccountStanding
from relay.errors import LedgerError, Reason, Unavailable
from relay.intake.accounts import Directory
from relay.intake.gate import Bounds
from relay.intake.http import ANYWHERE, operations
from relay.intake.keys import Keyring, Scope

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MIB = 1024 * 1024


@pytest.fixture
async def intake():
    async with running() as started:
        yield started


# submit


@pytest.mark.parametrize(
    "body",
    [
        {"id": "abc"},
        {"jobs": [{"id": "abc"}]},
        {
            "job_status": {
                "id": "abc",
                "url": "https://acme.zendesk.com/api/v2/job_statuses/abc.json",
                "status": "queued",
            }
        },
    ],
)
async def test_a_job_in_any_form_is_tracked_once_and_then_exists(intake, body):
    job = {"account": "acme", "id": "abc", "href": "/v1/jobs/acme/abc"}
    assert await intake.answer("POST", "/v1/jobs", body) == (202, {"jobs": [{**job, "result": "created"}]})
    assert await intake.answer("POST", "/v1/jobs", body) == (202, {"jobs": [{**job, "result": "exists"}]})
    assert (await intake.answer("GET", job["href"]))[0] == 200


async def test_jobs_are_answered_in_the_order_given_with_repeats(intake):
    jobs = await intake.submit("b", "a", "b")
    assert [(job["id"], job["result"]) for job in jobs] == [("b", "created"), ("a", "created"), ("b", "exists")]
    assert dict(intake.station.counted) == {("http", "created"): 2, ("http", "exists"): 1}
    assert intake.station.acknowledged == [1]


async def test_metadata_and_trace_context_are_handed_on(intake):
    await intake.call("POST", "/v1/jobs", {"id": "a", "metadata": {"k": 1}}, headers={"traceparent": TRACEPARENT})
    (request,) = intake.jobs.requests
    assert (request.metadata, request.traceparent) == (b'{"k":1}', TRACEPARENT)


async def test_one_bad_item_refuses_all_and_every_bad_item_is_listed(intake):
    body = {"jobs": [{"id": "a"}, {"id": "?"}, {"id": "b", "account": "nope"}, {"id": "c", "metadata": 7}]}
    response, problem = await intake.refusal("POST", "/v1/jobs", body)
    assert response.status == 422
    assert [(each["index"], each["pointer"], each["code"]) for each in problem["errors"]] == [
        (1, "/jobs/1/id", "invalid_field"),
        (2, "/jobs/2/account", "unknown_account"),
        (3, "/jobs/3/metadata", "invalid_field"),
    ]
    assert intake.jobs.jobs == {}
    assert dict(intake.station.counted) == {("http", "refused"): 3}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b'{"id": "\xff"}', 400, "invalid_json"),
        (b'{"id": "a", "id": "b"}', 400, "invalid_json"),
        (b'{"id": "\\udc00"}', 400, "invalid_json"),
        (b'{"id": "a", "metadata": {"n": NaN}}', 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"[]", 422, "invalid_field"),
        (b'{"jobs": []}', 422, "invalid_field"),
        (orjson.dumps({"jobs": [{"id": "a"}] * 1001}), 422, "too_many_jobs"),
        (b'{"id": "a", "account": "nope"}', 422, "unknown_account"),
        (b'{"id": "a", "callback_url": "https://receiver.test/"}', 422, "callback_not_allowed"),
        (b'{"id": "' + b"a" * MIB + b'"}', 413, "body_too_large"),
    ],
)
async def test_a_body_that_cannot_be_taken_is_a_problem(intake, content, status, code):
    response, problem = await intake.refusal("POST", "/v1/jobs", data=content, headers=JSON)
    assert (response.status, problem["code"]) == (status, code)
    assert intake.jobs.jobs == {}
    assert await intake.submit("still-works")


async def test_a_body_as_large_as_stated_is_taken(intake):
    body = {"jobs": [{"id": f"{n:0128}", "metadata": {"k": "x" * 800}} for n in range(1000)]}
    content = orjson.dumps(body).ljust(MIB)
    assert len(content) == MIB
    assert (await intake.call("POST", "/v1/jobs", data=content, headers=JSON))[0].status == 202


async def test_without_an_account_of_several_one_must_be_named():
    async with running(accounts=ACCOUNTS) as intake:
        _, problem = await intake.refusal("POST", "/v1/jobs", {"id": "a"})
        assert (problem["status"], problem["code"]) == (422, "account_required")
        reply = {"job_status": {"id": "a", "url": "https://globex.zendesk.com/api/v2/job_statuses/a.json"}}
        _, answer = await intake.answer("POST", "/v1/jobs", reply)
        assert answer["jobs"][0]["account"] == "globex"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": ""},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
async def test_what_is_not_plain_json_is_told_how_to_be(intake, headers):
    response, problem = await intake.refusal("POST", "/v1/jobs", data=b'{"id":"a"}', headers=headers)
    assert (response.status, problem["code"]) == (415, "unsupported_media_type")
    assert "application/json" in problem["detail"] or "as it is" in problem["detail"]


async def test_curls_default_type_is_told_what_to_type(intake):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    _, problem = await intake.refusal("POST", "/v1/jobs", data=b'{"id":"a"}', headers=headers)
    assert "curl: use --json" in problem["detail"]


async def test_a_compressed_body_is_not_unpacked(intake):
    response, _ = await intake.refusal("POST", "/v1/jobs", data=b"\x1f\x8b" * 100, headers={"Content-Encoding": "gzip"})
    assert response.status == 415
    assert response.headers["Accept-Encoding"] == "identity"


# bounds


async def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(intake):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head, content = await raw(intake.port, head_of("Transfer-Encoding: chunked").encode(), *[chunk] * 17)
    assert " 413 " in head
    assert problem_in(413, "application/problem+json", content)["code"] == "body_too_large"


async def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(intake):
    head, content = await raw(intake.port, head_of(f"Content-Length: {MIB + 1}", "Expect: 100-continue").encode())
    assert " 413 " in head.splitlines()[0]
    assert problem_in(413, "application/problem+json", content)["code"] == "body_too_large"


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("PATCH", 405)])
async def test_what_a_call_without_a_body_expects_does_not_matter(intake, method, status):
    response, _ = await intake.call(method, "/v1/jobs", headers={"Expect": "foo"})
    assert response.status == status


async def test_a_header_that_is_no_text_is_refused_in_a_problem_document(intake):
    head = head_of("Content-Length: 1").replace("application/json", "\xff").encode("latin-1")
    head, content = await raw(intake.port, head, b" ")
    assert problem_in(415, "application/problem+json", content)["code"] == "unsupported_media_type"
    assert " 415 " in head.splitlines()[0]


async def test_a_client_that_asks_before_sending_is_invited(intake):
    reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    writer.write(head_of("Content-Length: 10", "Expect: 100-continue").encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b'{"id":"a"}')
    assert b" 202 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_body_in_chunks_is_read_whole(intake):
    parts = [head_of("Transfer-Encoding: chunked").encode(), b'5\r\n{"id"\r\n', b'5\r\n:"a"}\r\n', b"0\r\n\r\n"]
    head, _ = await raw(intake.port, *parts, pause=0.01)
    assert " 202 " in head


async def test_a_body_that_is_not_http_is_not_waited_for_and_makes_no_noise(caplog):
    async with running(bounds=Bounds(body_seconds=0.05, drain_seconds=1)) as intake:
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        writer.write(head_of("Transfer-Encoding: chunked").encode())
        await until(lambda: intake.gate._submissions, 5)
        writer.write(b"no length\r\n")
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert not caplog.records


async def test_a_request_that_is_not_http_is_answered_without_noise(intake, caplog):
    head, _ = await raw(intake.port, b"\x16\x03\x01 hello\r\n\r\n")
    assert " 400 " in head
    assert not caplog.records


async def test_a_slow_body_is_not_waited_for():
    async with running(bounds=Bounds(body_seconds=0.05, drain_seconds=1)) as intake:
        head, content = await raw(intake.port, head_of("Content-Length: 10").encode(), b"{")
        assert " 408 " in head
        assert problem_in(408, "application/problem+json", content)["code"] == "overloaded"


async def test_a_head_that_does_not_come_is_not_waited_for():
    async with running(bounds=Bounds(idle_seconds=0.05, drain_seconds=1)) as intake:
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        writer.write(b"POST /v1/jobs HT")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_submissions_beyond_the_bound_are_asked_to_come_back():
    async with running(bounds=Bounds(submissions=1, drain_seconds=1)) as intake:
        _, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        writer.write(head_of("Content-Length: 10").encode())
        await until(lambda: intake.gate._submissions, 5)
        response, problem = await intake.refusal("POST", "/v1/jobs", {"id": "a"})
        assert (response.status, problem["code"], response.headers["Retry-After"]) == (429, "overloaded", "1")
        writer.close()
        await writer.wait_closed()
        await until(lambda: not intake.gate._submissions, 5)
        assert await intake.submit("a")


async def test_bytes_beyond_the_bound_are_asked_to_come_back():
    async with running(bounds=Bounds(submissions_bytes=5, drain_seconds=1)) as intake:
        response, _ = await intake.refusal("POST", "/v1/jobs", {"id": "a"})
        assert response.status == 429
        assert intake.gate._bytes == 0


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unavailable(Reason.OVERLOADED, "busy", 1.5), 429, "overloaded"),
        (Unavailable(Reason.LEDGER_UNAVAILABLE, "disk full", 1.5), 503, "ledger_unavailable"),
        (Unavailable(Reason.DRAINING, "bye", 1.5), 503, "draining"),
    ],
)
async def test_what_the_jobs_cannot_take_now_says_when_to_come_back(intake, method, error, status, code):
    intake.jobs.fails_with = error
    body, path = ({"id": "a"}, "/v1/jobs") if method == "POST" else (None, "/v1/jobs/acme/a")
    response, problem = await intake.refusal(method, path, body)
    assert (response.status, problem["code"], response.headers["Retry-After"]) == (status, code, "2")


async def test_a_ledger_that_does_not_answer_is_unavailable(intake):
    intake.jobs.fails_with = LedgerError("/var/lib/relay.db: disk I/O error")
    response, problem = await intake.refusal("GET", "/v1/jobs")
    assert (response.status, problem["code"]) == (503, "ledger_unavailable")
    assert "/var/lib" not in problem["detail"]


async def test_a_bug_is_logged_and_not_shown(intake, caplog):
    intake.jobs.fails_with = RuntimeError("the password is 1234")
    with caplog.at_level(logging.ERROR):
        response, content = await intake.call("POST", "/v1/jobs", {"id": "a"})
    assert response.status == 500
    problem_in(500, response.content_type, content)
    assert b"1234" not in content
    assert b"Traceback" not in content
    assert [(record.msg, record.route) for record in caplog.records] == [("intake.http.failed", "/v1/jobs")]
    assert intake.gate._submissions == intake.gate._bytes == 0


# read


async def test_a_job_is_shown_with_every_field(intake):
    await intake.submit("a", metadata={"order": 7})
    status, job = await intake.answer("GET", "/v1/jobs/acme/a")
    assert status == 200
    assert (job["state"], job["terminal"], job["metadata"]) == ("pending", False, {"order": 7})
    assert set(job) == {
        *("account", "id", "state", "terminal", "outcome", "job_status", "results_truncated", "items", "sequence"),
        *("tracked_at", "detected_at", "completed_at", "next_poll_at", "metadata", "deliveries"),
    }


async def test_a_wait_is_answered_when_the_job_ends(intake):
    await intake.submit("a")
    waiting = asyncio.create_task(intake.answer("GET", "/v1/jobs/acme/a?wait=60"))
    await until(lambda: intake.jobs.waiting, 5)
    intake.jobs.change("acme", "a", state="completed", outcome=Outcome.SUCCEEDED)
    status, job = await waiting
    assert (status, job["terminal"], job["outcome"]) == (200, True, "succeeded")


async def test_a_wait_is_answered_when_the_time_is_up(intake):
    await intake.submit("a")
    status, job = await intake.answer("GET", "/v1/jobs/acme/a?wait=0.01")
    assert (status, job["terminal"]) == (200, False)


async def test_a_job_that_has_ended_is_not_waited_for(intake):
    await intake.submit("a")
    intake.jobs.change("acme", "a", state="failed")
    assert (await asyncio.wait_for(intake.answer("GET", "/v1/jobs/acme/a?wait=60"), 5))[0] == 200


async def test_a_client_who_goes_away_waits_no_more(intake):
    await intake.submit("a")
    _, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    writer.write(head_of(method="GET", path="/v1/jobs/acme/a?wait=60").encode())
    await until(lambda: intake.jobs.waiting, 5)
    writer.close()
    await writer.wait_closed()
    await until(lambda: not intake.jobs.waiting, 5)


async def test_waiters_beyond_the_bound_are_answered_at_once():
    async with running(bounds=Bounds(waiters=1, drain_seconds=1)) as intake:
        await intake.submit("a")
        waiting = asyncio.create_task(intake.answer("GET", "/v1/jobs/acme/a?wait=60"))
        await until(lambda: intake.jobs.waiting, 5)
        assert (await asyncio.wait_for(intake.answer("GET", "/v1/jobs/acme/a?wait=60"), 5))[0] == 200
        intake.gate.drain()
        await waiting


@pytest.mark.parametrize("query", ["wait=61", "wait=-1", "wait=nan", "wait=x", "wiat=3", "wait=1&wait=2"])
async def test_a_wait_that_makes_no_sense_is_refused(intake, query):
    await intake.submit("a")
    response, problem = await intake.refusal("GET", f"/v1/jobs/acme/a?{query}")
    assert (response.status, problem["code"]) == (422, "invalid_field")


@pytest.mark.parametrize("path", ["acme/nope", "nope/a", "acme/%2F", "acme/..%2f", "acme/%FF", "acme/a%00"])
async def test_a_job_that_is_not_known_is_not_found(intake, path):
    await intake.submit("a")
    head, content = await raw(intake.port, head_of(method="GET", path=f"/v1/jobs/{path}").encode())
    assert " 404 " in head
    assert problem_in(404, "application/problem+json", content)["code"] == "not_found"


async def test_a_deleted_job_is_not_shown(intake):
    await intake.submit("a")
    intake.jobs.change("acme", "a", state=DELETED)
    assert (await intake.refusal("GET", "/v1/jobs/acme/a"))[0].status == 404
    assert (await intake.answer("GET", "/v1/jobs"))[1] == {"jobs": [], "cursor": None}


# list and delete


async def pages(intake, **query):
    while True:
        status, page = await intake.answer("GET", f"/v1/jobs?{urlencode(query)}")
        assert status == 200
        yield [job["id"] for job in page["jobs"]]
        if page["cursor"] is None:
            return
        query["cursor"] = page["cursor"]


async def test_a_list_is_paged_newest_first_without_a_gap_or_an_empty_page(intake):
    await intake.submit(*"abcdef")
    assert [page async for page in pages(intake, limit=2)] == [["f", "e"], ["d", "c"], ["b", "a"]]
    assert [page async for page in pages(intake, limit=4)] == [["f", "e", "d", "c"], ["b", "a"]]
    assert [page async for page in pages(intake)] == [["f", "e", "d", "c", "b", "a"]]


async def test_a_list_may_be_of_one_account_and_state():
    async with running(accounts=ACCOUNTS) as intake:
        await intake.submit("a", "b", account="acme")
        await intake.submit("c", account="globex")
        intake.jobs.change("acme", "b", state="working")
        assert [page async for page in pages(intake, account="acme")] == [["b", "a"]]
        assert [page async for page in pages(intake, account="acme", state="working", limit="", cursor="")] == [["b"]]
        assert [page async for page in pages(intake, account="nope")] == [[]]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=garbled", "statu=x"])
async def test_a_list_that_makes_no_sense_is_refused(intake, query):
    response, problem = await intake.refusal("GET", f"/v1/jobs?{query}")
    assert (response.status, problem["code"]) == (422, "invalid_field")


async def test_a_deleted_job_is_gone_and_another_is_not_found(intake):
    await intake.submit("a")
    response, content = await intake.call("DELETE", "/v1/jobs/acme/a")
    assert (response.status, content) == (204, b"")
    assert (await intake.refusal("DELETE", "/v1/jobs/acme/a"))[0].status == 404


# accounts


async def test_accounts_are_listed_by_name_with_their_budgets_and_why_they_are_paused(intake):
    intake.station.standings = [
        AccountStanding(name="globex", live_jobs=2, trouble=Reason.ACCOUNT_NOT_CONFIGURED, stale_seconds=7.25),
        AccountStanding(name="acme", live_jobs=0, limit=700, remaining=650, ceiling_per_minute=60.0),
    ]
    assert await intake.answer("GET", "/v1/accounts") == (
        200,
        {
            "accounts": [
                {
                    "name": "acme",
                    "limit": 700,
                    "remaining": 650,
                    "ceiling": 60.0,
                    "live_jobs": 0,
                    "oldest_unseen_seconds": None,
                    "paused": False,
                    "reason": None,
                },
                {
                    "name": "globex",
                    "limit": None,
                    "remaining": None,
                    "ceiling": None,
                    "live_jobs": 2,
                    "oldest_unseen_seconds": 7.25,
                    "paused": True,
                    "reason": "account_not_configured",
                },
            ]
        },
    )


async def test_a_restricted_key_sees_its_own_accounts_only():
    async with running(*KEYS, accounts=ACCOUNTS) as intake:
        intake.station.standings = [AccountStanding(name=name, live_jobs=0) for name in ("acme", "globex", "acorp")]
        for key, names in [("acme", ["acme", "acorp"]), ("reader", ["acme", "acorp", "globex"])]:
            _, answer = await intake.answer("GET", "/v1/accounts", **bearer(key))
            assert [account["name"] for account in answer["accounts"]] == names


# keys


KEYS = (
    key("submitter", Scope.SUBMIT),
    key("reader", Scope.READ),
    key("admin", Scope.ADMIN),
    key("acme", *Scope, accounts=("ac*",)),
)
CALLS = [
    ("POST", "/v1/jobs", {"id": "a", "account": "acme"}, "submit"),
    ("GET", "/v1/jobs", None, "read"),
    ("GET", "/v1/jobs/acme/a", None, "read"),
    ("DELETE", "/v1/jobs/acme/a", None, "admin"),
    ("GET", "/v1/accounts", None, "read"),
]


@pytest.mark.parametrize(("method", "path", "body", "scope"), CALLS)
async def test_a_call_needs_a_key_with_its_scope(method, path, body, scope):
    async with running(*KEYS, accounts=ACCOUNTS) as intake:
        for headers in ({}, bearer("nope")):
            response, problem = await intake.refusal(method, path, body, **headers)
            assert (response.status, problem["code"]) == (401, "unauthorized")
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        await intake.call("POST", "/v1/jobs", CALLS[0][2], **bearer("acme"))
        for name, held in (("submitter", "submit"), ("reader", "read"), ("admin", "admin")):
            response, content = await intake.call(method, path, body, **bearer(name))
            if held == scope:
                assert response.status < 300
            else:
                problem = problem_in(403, response.content_type, content)
                assert problem["code"] == "forbidden"
                assert scope in problem["detail"]


async def test_other_accounts_do_not_exist_for_a_key():
    async with running(*KEYS, accounts=ACCOUNTS) as intake:
        for account in ("acme", "globex"):
            await intake.call("POST", "/v1/jobs", {"id": "a", "account": account}, **bearer("submitter"))
        _, problem = await intake.refusal("POST", "/v1/jobs", {"id": "b", "account": "globex"}, **bearer("acme"))
        assert (problem["status"], problem["code"]) == (422, "unknown_account")
        for method, path in (("GET", "/v1/jobs/globex/a"), ("DELETE", "/v1/jobs/globex/a")):
            assert (await intake.refusal(method, path, **bearer("acme")))[0].status == 404
        assert (await intake.refusal("GET", "/v1/jobs?account=globex", **bearer("acme")))[0].status == 404
        _, page = await intake.answer("GET", "/v1/jobs", **bearer("acme"))
        assert [job["account"] for job in page["jobs"]] == ["acme"]


async def test_keys_and_accounts_may_be_replaced_while_it_runs(intake):
    intake.access.keyring, intake.access.directory = Keyring(KEYS), Directory(ACCOUNTS[1:])
    assert (await intake.refusal("POST", "/v1/jobs", {"id": "a"}))[0].status == 401
    _, answer = await intake.answer("POST", "/v1/jobs", {"id": "a"}, **bearer("submitter"))
    assert answer["jobs"][0]["account"] == "globex"


# every path


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/jobs/", "/v1/jobs/acme", "/v1/jobs/acme/a/b", "/v2/jobs", "//v1/jobs"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PATCH"])
async def test_an_unknown_path_is_not_found(intake, path, method):
    head, content = await raw(intake.port, head_of(method=method, path=path).encode())
    assert " 404 " in head
    assert problem_in(404, "application/problem+json", content)["code"] == "not_found"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/jobs", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/v1/jobs/acme/a", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("/v1/accounts", {"GET", "HEAD", "OPTIONS"}),
        ("/livez", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(intake, path, allowed):
    response, problem = await intake.refusal("PATCH", path)
    assert (response.status, problem["code"]) == (405, "not_found")
    assert set(response.headers["Allow"].split(", ")) == allowed
    response, content = await intake.call("OPTIONS", path)
    assert (response.status, content) == (204, b"")
    assert set(response.headers["Allow"].split(", ")) == allowed


async def test_head_is_get_without_the_body(intake):
    await intake.submit("a")
    for path in ("/v1/jobs", "/v1/jobs/acme/a", "/livez", "/metrics", "/openapi.json"):
        response, content = await intake.call("HEAD", path)
        assert (response.status, content) == (200, b"")
        assert int(response.headers["Content-Length"]) > 0
    assert (await intake.call("HEAD", "/v1/jobs/acme/nope"))[0].status == 404


# health, metrics, drain


async def test_health_and_metrics_need_no_key():
    async with running(*KEYS) as intake:
        assert await intake.answer("GET", "/livez") == (200, {"status": "ok", "faults": []})
        assert await intake.answer("GET", "/readyz") == (200, {"status": "ok", "faults": []})
        response, content = await intake.call("GET", "/metrics")
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert content == b"# HELP relay_up Whether it runs\n"
        assert (await intake.call("GET", "/openapi.json"))[0].status == 200


async def test_health_tells_its_faults(intake):
    intake.station.live_faults, intake.station.ready_faults = ["the poll loop stands still"], ["loading"]
    assert await intake.answer("GET", "/livez") == (
        503,
        {"status": "failing", "faults": ["the poll loop stands still"]},
    )
    assert await intake.answer("GET", "/readyz") == (503, {"status": "failing", "faults": ["loading"]})


async def test_metrics_may_be_served_elsewhere_and_health_on_both():
    async with running(face=lambda intake: api_of(intake, with_metrics=False)) as intake:
        assert (await intake.refusal("GET", "/metrics"))[0].status == 404
        assert (await intake.call("GET", "/livez"))[0].status == 200
        assert "/metrics" not in (await intake.answer("GET", "/openapi.json"))[1]["paths"]
    async with running(face=lambda intake: operations(probes=intake.probes)) as intake:
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await intake.call("GET", path))[0].status == 200
        assert (await intake.refusal("GET", "/v1/jobs"))[0].status == 404


async def test_while_draining_nothing_is_taken_who_waits_is_answered_and_jobs_can_be_read(intake):
    await intake.submit("a")
    waiting = asyncio.create_task(intake.answer("GET", "/v1/jobs/acme/a?wait=60"))
    await until(lambda: intake.jobs.waiting, 5)
    intake.gate.drain()
    assert (await waiting)[0] == 200
    for method, path, body in (("POST", "/v1/jobs", {"id": "b"}), ("DELETE", "/v1/jobs/acme/a", None)):
        response, problem = await intake.refusal(method, path, body)
        assert (response.status, problem["code"]) == (503, "draining")
        assert int(response.headers["Retry-After"]) >= 1
    assert (await intake.answer("GET", "/v1/jobs/acme/a?wait=60"))[0] == 200
    assert (await intake.answer("GET", "/readyz"))[0] == 503
    assert (await intake.answer("GET", "/livez"))[0] == 200


# the description


async def test_every_route_is_described_and_every_described_call_is_a_route(intake):
    _, document = await intake.answer("GET", "/openapi.json")
    described = {(method.upper(), path) for path, calls in document["paths"].items() for method in calls}
    routes = {(route.method, route.resource.canonical) for route in api_of(intake).router.routes()}
    catch_all = api_of(intake).router.routes()
    assert routes - {(method, path) for method, path in routes if method in {"HEAD", "*"}} == described
    assert [route.resource.get_info()["formatter"] for route in catch_all if route.method == "*"] == ["/{anywhere}"]
    assert ANYWHERE.startswith("/{anywhere")


@pytest.mark.parametrize(
    ("method", "path", "body", "described", "status"),
    [
        ("POST", "/v1/jobs", {"id": "b"}, "/v1/jobs", 202),
        ("POST", "/v1/jobs", {"id": "?"}, "/v1/jobs", 422),
        ("POST", "/v1/jobs", None, "/v1/jobs", 400),
        ("GET", "/v1/jobs", None, "/v1/jobs", 200),
        ("GET", "/v1/jobs?limit=0", None, "/v1/jobs", 422),
        ("GET", "/v1/jobs/acme/a", None, "/v1/jobs/{account}/{id}", 200),
        ("GET", "/v1/jobs/acme/b", None, "/v1/jobs/{account}/{id}", 404),
        ("DELETE", "/v1/jobs/acme/b", None, "/v1/jobs/{account}/{id}", 404),
        ("GET", "/livez", None, "/livez", 200),
        ("GET", "/readyz", None, "/readyz", 503),
    ],
)
async def test_what_is_answered_is_what_is_described(intake, method, path, body, described, status):
    await intake.submit("a", metadata={"k": 1})
    intake.station.ready_faults = ["loading"]
    response, content = await intake.call(method, path, body)
    assert response.status == status
    await assert_described(intake, response, content, described)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "a"}, 202),
        ({"id": "a", "account": None, "metadata": {"k": [1]}}, 202),
        ({"job_status": {"id": "a", "status": "queued"}, "more": 1}, 202),
        ({"jobs": [{"id": "a"}, {"job_status": {"id": "b"}}]}, 202),
        ({"id": ""}, 422),
        ({"id": "a", "more": 1}, 422),
        ({"jobs": []}, 422),
        ({"jobs": [{"id": "a"}] * 1001}, 422),
        ({"id": "a", "metadata": {str(n): n for n in range(51)}}, 422),
    ],
)
async def test_what_is_taken_is_what_is_described(intake, body, status):
    _, document = await intake.answer("GET", "/openapi.json")
    reference = "#/paths/~1v1~1jobs/post/requestBody/content/application~1json/schema"
    assert validator(document, reference).is_valid(body) is (status == 202)
    assert (await intake.call("POST", "/v1/jobs", body))[0].status == status
