"""Sinks and deliveries over real sockets, in front of sinks that are listed."""

import math

import pytest
from integration.api import ACCOUNTS, JSON, assert_described, bearer, key, problem_in, running
from msgspec.structs import replace

from relay.core.delivery import Attempt, Delivery, DeliveryState
from relay.core.events import event_id
from relay.core.job import TrackRequest
from relay.core.observe import Rules, observe, track
from relay.core.sighting import sight
from relay.core.standing import SinkStanding, SinkState
from relay.errors import LedgerError, Reason, Unavailable
from relay.intake.keys import Scope
from relay.intake.opaque import read_delivery_id, write_delivery_id

NOW = 1_700_000_000.0
ORDERS = SinkStanding(name="orders", kind="webhook")
GONE = SinkStanding(
    name="gone",
    kind="webhook",
    state=SinkState.DISABLED,
    since=NOW,
    error="410 Gone",
    pending=3,
    dead=2,
    oldest_pending_since=NOW - 1,
)
KEYS = (
    key("reader", Scope.READ),
    key("admin", Scope.ADMIN),
    key("submitter", Scope.SUBMIT),
    key("acme", *Scope, accounts=("ac*",)),
)
CHANGES = ("pause", "resume", "test", "recover")


@pytest.fixture
async def intake():
    async with running() as started:
        started.sinks.standings = [ORDERS, GONE]
        yield started


def row(number, *, account="acme", state=DeliveryState.DEAD, sink="orders"):
    """A delivery of a job's first event, which the job's end follows."""
    job = track(TrackRequest(account=account, id=f"V3-{number}"), NOW + number)
    started = observe(job, sight({"id": job.id, "status": "working"}), NOW + number, Rules())
    ended = observe(started, sight({"id": job.id, "status": "failed"}), NOW + number, Rules())
    delivery = Delivery(
        account=account,
        job_id=job.id,
        tracked_at=job.tracked_at,
        sink=sink,
        sequence=2,
        since=NOW + number,
        due_at=NOW + number + 5,
        state=state,
        attempts=10,
        settled_at=NOW + 100 if state is DeliveryState.DEAD else None,
        error="timeout: after 15 s",
    )
    return delivery, ended


async def recover(intake, **span):
    return await intake.answer("POST", "/v1/sinks/orders/recover", span)


# sinks


async def test_sinks_are_listed_as_they_stand(intake):
    assert await intake.answer("GET", "/v1/sinks") == (
        200,
        {
            "sinks": [
                {
                    "name": "orders",
                    "kind": "webhook",
                    "state": "active",
                    "since": None,
                    "error": None,
                    "pending": 0,
                    "dead": 0,
                    "oldest_pending_since": None,
                },
                {
                    "name": "gone",
                    "kind": "webhook",
                    "state": "disabled",
                    "since": "2023-11-14T22:13:20.000Z",
                    "error": "410 Gone",
                    "pending": 3,
                    "dead": 2,
                    "oldest_pending_since": "2023-11-14T22:13:19.000Z",
                },
            ]
        },
    )


@pytest.mark.parametrize("change", ["pause", "resume"])
async def test_a_sink_is_paused_and_resumed_any_number_of_times_and_shown_as_it_stands(intake, change):
    for _ in range(2):
        status, answer = await intake.answer("POST", f"/v1/sinks/gone/{change}")
        assert (status, answer["name"], answer["state"]) == (200, "gone", "disabled")
    assert intake.sinks.asked == [(change, "gone")] * 2


@pytest.mark.parametrize(
    ("attempt", "answer"),
    [
        (Attempt(), {"delivered": True, "detail": None}),
        (Attempt(detail="204"), {"delivered": True, "detail": "204"}),
        (Attempt(reason=Reason.TIMEOUT), {"delivered": False, "detail": "timeout"}),
        (
            Attempt(reason=Reason.REFUSED, detail="400 Bad Request"),
            {"delivered": False, "detail": "refused: 400 Bad Request"},
        ),
    ],
)
async def test_a_test_tells_how_the_attempt_went(intake, attempt, answer):
    intake.sinks.attempt = attempt
    assert await intake.answer("POST", "/v1/sinks/orders/test") == (200, answer)


async def test_what_could_not_be_delivered_between_two_times_is_owed_again(intake):
    intake.sinks.rows = [row(1), row(2)]
    since = "2023-11-14T22:13:20Z"
    assert await recover(intake, since=since, until="2023-11-14T23:13:21+01:00") == (200, {"recovered": 2})
    assert await recover(intake, since=since, until=None) == (200, {"recovered": 2})
    assert await recover(intake, since="1700000000") == (200, {"recovered": 2})
    assert intake.sinks.asked == [
        ("recover", "orders", NOW, NOW + 1),
        ("recover", "orders", NOW, math.inf),
        ("recover", "orders", NOW, math.inf),
    ]


@pytest.mark.parametrize(
    ("span", "pointer"),
    [
        ({}, "/since"),
        ({"since": None}, "/since"),
        ({"since": 7}, "/since"),
        ({"since": "2023-11-14"}, "/since"),
        ({"since": "2023-11-14T22:13:20Z", "until": "soon"}, "/until"),
        ({"since": "2023-11-14T22:13:20Z", "until": "2023-11-14T22:13:20Z"}, "/until"),
        ({"since": "2023-11-14T22:13:20Z", "til": "2023-11-14T22:13:21Z"}, "/til"),
    ],
)
async def test_times_that_make_no_sense_are_refused(intake, span, pointer):
    _, problem = await intake.refusal("POST", "/v1/sinks/orders/recover", span)
    assert (problem["status"], problem["code"]) == (422, "invalid_field")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert intake.sinks.asked == []


async def test_times_come_as_json(intake):
    assert (await intake.refusal("POST", "/v1/sinks/orders/recover"))[0].status == 400
    assert (await intake.refusal("POST", "/v1/sinks/orders/recover", data=b"[]", headers=JSON))[0].status == 422
    assert (await intake.refusal("POST", "/v1/sinks/orders/recover", data=b"since=1"))[0].status == 415


@pytest.mark.parametrize("change", CHANGES)
async def test_a_sink_that_is_not_known_is_not_found(intake, change):
    body = {"since": "2023-11-14T22:13:20Z"} if change == "recover" else None
    for name in ("nope", "callback:https%3A%2F%2Freceiver.test", "%00"):
        _, problem = await intake.refusal("POST", f"/v1/sinks/{name}/{change}", body)
        assert (problem["status"], problem["code"]) == (404, "not_found")


# deliveries


async def test_a_dead_letter_is_shown_with_all_that_is_known_of_it(intake):
    delivery, job = row(1)
    intake.sinks.rows = [(delivery, job)]
    assert await intake.answer("GET", "/v1/deliveries") == (
        200,
        {
            "deliveries": [
                {
                    "id": write_delivery_id(delivery.key),
                    "account": "acme",
                    "job_id": "V3-1",
                    "sink": "orders",
                    "state": "dead",
                    "event": {"id": event_id(job, job.events[-1]), "type": "zendesk.job.failed", "sequence": 2},
                    "attempts": 10,
                    "error": "timeout: after 15 s",
                    "since": "2023-11-14T22:13:21.000Z",
                    "next_attempt_at": None,
                    "settled_at": "2023-11-14T22:15:00.000Z",
                }
            ],
            "cursor": None,
        },
    )


async def test_a_pending_delivery_says_when_it_is_tried_next(intake):
    intake.sinks.rows = [row(1, state=DeliveryState.PENDING), row(2)]
    _, answer = await intake.answer("GET", "/v1/deliveries?state=pending")
    (shown,) = answer["deliveries"]
    assert (shown["job_id"], shown["next_attempt_at"], shown["settled_at"]) == (
        "V3-1",
        "2023-11-14T22:13:26.000Z",
        None,
    )


async def test_progress_that_was_replaced_is_shown_by_what_took_its_place(intake):
    delivery, job = row(1, state=DeliveryState.PENDING)
    intake.sinks.rows = [(replace(delivery, sequence=1), replace(job, events=job.events[1:]))]
    _, answer = await intake.answer("GET", "/v1/deliveries?state=pending")
    assert answer["deliveries"][0]["event"]["sequence"] == 2
    intake.sinks.rows = [(delivery, replace(job, events=job.events[:1]))]
    _, answer = await intake.answer("GET", "/v1/deliveries?state=pending")
    assert answer["deliveries"][0]["event"] is None


async def listed(intake, query="", **options):
    """The ids of the jobs, page by page."""
    cursor = ""
    while cursor is not None:
        status, answer = await intake.answer("GET", f"/v1/deliveries?{query}&cursor={cursor}", **options)
        assert status == 200
        yield [shown["job_id"] for shown in answer["deliveries"]]
        cursor = answer["cursor"]


async def test_deliveries_are_paged_without_a_gap_or_an_empty_page(intake):
    intake.sinks.rows = [row(number) for number in range(4)]
    assert [page async for page in listed(intake, "limit=2")] == [["V3-3", "V3-2"], ["V3-1", "V3-0"]]
    assert [page async for page in listed(intake, "limit=3")] == [["V3-3", "V3-2", "V3-1"], ["V3-0"]]


async def test_deliveries_may_be_of_one_sink_and_between_two_times(intake):
    intake.sinks.rows = [row(1), row(2, sink="gone"), row(3)]
    assert [page async for page in listed(intake, "sink=gone")] == [["V3-2"]]
    assert [page async for page in listed(intake, "since=1700000002&until=1700000003")] == [["V3-2"]]


@pytest.mark.parametrize(
    "query", ["state=delivered", "state=x", "limit=0", "limit=1001", "cursor=x", "since=x", "sinks=a"]
)
async def test_a_list_that_makes_no_sense_is_refused(intake, query):
    response, problem = await intake.refusal("GET", f"/v1/deliveries?{query}")
    assert (response.status, problem["code"]) == (422, "invalid_field")


async def test_a_delivery_is_retried_by_its_id(intake):
    delivery, job = row(1)
    intake.sinks.rows = [(delivery, job)]
    _, answer = await intake.answer("GET", "/v1/deliveries")
    shown = answer["deliveries"][0]["id"]
    assert await intake.answer("POST", f"/v1/deliveries/{shown}/retry") == (
        202,
        {"id": shown, "href": "/v1/jobs/acme/V3-1"},
    )
    assert intake.sinks.asked == [("retry", delivery.key)]


@pytest.mark.parametrize("name", ["x", "dlv_", "dlv_x", "dlv_%00", write_delivery_id(row(2)[0].key), "dlv_W10"])
async def test_a_delivery_that_is_not_known_is_not_found(intake, name):
    intake.sinks.rows = [row(1)]
    _, problem = await intake.refusal("POST", f"/v1/deliveries/{name}/retry")
    assert (problem["status"], problem["code"]) == (404, "not_found")


async def test_a_job_shows_its_deliveries_with_the_ids_to_retry_them_by(intake):
    delivery, job = row(1, sink="callback:https://receiver.test:443#0f1e2d3c4b5a6978")
    intake.jobs.jobs[job.key] = job
    intake.jobs.deliveries[job.key] = [delivery]
    _, answer = await intake.answer("GET", "/v1/jobs/acme/V3-1")
    (shown,) = answer["deliveries"]
    assert (shown["sink"], shown["state"]) == (delivery.sink, "dead")
    assert read_delivery_id(shown["id"]) == delivery.key


# keys, outages, drain


async def test_changes_need_a_key_with_the_scope_admin():
    async with running(*KEYS, accounts=ACCOUNTS) as intake:
        intake.sinks.standings, intake.sinks.rows = [ORDERS], [row(1)]
        paths = [f"/v1/sinks/orders/{change}" for change in CHANGES]
        calls = [("POST", path) for path in (*paths, f"/v1/deliveries/{write_delivery_id(row(1)[0].key)}/retry")]
        for method, path in [*calls, ("GET", "/v1/deliveries")]:
            body = {"since": "1700000000"} if path.endswith("recover") else None
            assert (await intake.refusal(method, path, body))[0].status == 401
            for name in ("reader", "submitter"):
                response, content = await intake.call(method, path, body, **bearer(name))
                assert problem_in(403, response.content_type, content)["code"] == "forbidden"
            assert (await intake.call(method, path, body, **bearer("admin")))[0].status in {200, 202}


async def test_how_sinks_stand_is_seen_by_who_reads_and_by_who_administers():
    async with running(*KEYS) as intake:
        for name, status in (("reader", 200), ("admin", 200), ("acme", 200), ("submitter", 403)):
            assert (await intake.call("GET", "/v1/sinks", **bearer(name)))[0].status == status


async def test_deliveries_of_other_accounts_do_not_exist_for_a_key():
    async with running(*KEYS, accounts=ACCOUNTS) as intake:
        others = [row(number, account="globex") for number in range(4)]
        intake.sinks.rows = [row(1), *others, row(2), row(9)]
        assert [page async for page in listed(intake, "limit=2", **bearer("acme"))] == [["V3-9", "V3-2"], ["V3-1"]]
        for (delivery, _), status in ((others[0], 404), (row(1), 202)):
            path = f"/v1/deliveries/{write_delivery_id(delivery.key)}/retry"
            assert (await intake.call("POST", path, **bearer("acme")))[0].status == status
        assert intake.sinks.asked == [("retry", row(1)[0].key)]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_sink_of_all_accounts_is_not_changed_by_a_key_for_some(change):
    async with running(*KEYS) as intake:
        intake.sinks.standings = [ORDERS]
        response, problem = await intake.refusal("POST", f"/v1/sinks/orders/{change}", **bearer("acme"))
        assert (response.status, problem["code"]) == (403, "forbidden")
        assert intake.sinks.asked == []


@pytest.mark.parametrize(
    ("error", "status"), [(LedgerError("disk"), 503), (Unavailable(Reason.OVERLOADED, "busy", 1.5), 429)]
)
async def test_what_cannot_be_done_now_may_be_done_later(intake, error, status):
    intake.sinks.fails_with = error
    for method, path in (
        ("GET", "/v1/sinks"),
        ("POST", "/v1/sinks/orders/pause"),
        ("GET", "/v1/deliveries"),
        ("POST", f"/v1/deliveries/{write_delivery_id(row(1)[0].key)}/retry"),
    ):
        response, _ = await intake.refusal(method, path)
        assert response.status == status
        assert int(response.headers["Retry-After"]) >= 1


async def test_while_draining_nothing_is_changed(intake):
    intake.gate.drain()
    for path in ("/v1/sinks/orders/pause", f"/v1/deliveries/{write_delivery_id(row(1)[0].key)}/retry"):
        response, problem = await intake.refusal("POST", path)
        assert (response.status, problem["code"]) == (503, "draining")
    assert (await intake.answer("GET", "/v1/sinks"))[0] == 200
    assert intake.sinks.asked == []


@pytest.mark.parametrize(
    ("method", "path", "body", "described", "status"),
    [
        ("GET", "/v1/sinks", None, "/v1/sinks", 200),
        ("POST", "/v1/sinks/orders/pause", None, "/v1/sinks/{name}/pause", 200),
        ("POST", "/v1/sinks/nope/resume", None, "/v1/sinks/{name}/resume", 404),
        ("POST", "/v1/sinks/orders/test", None, "/v1/sinks/{name}/test", 200),
        ("POST", "/v1/sinks/orders/recover", {"since": "1700000000"}, "/v1/sinks/{name}/recover", 200),
        ("POST", "/v1/sinks/orders/recover", {}, "/v1/sinks/{name}/recover", 422),
        ("GET", "/v1/deliveries?limit=1", None, "/v1/deliveries", 200),
        ("GET", "/v1/deliveries?limit=0", None, "/v1/deliveries", 422),
        ("POST", f"/v1/deliveries/{write_delivery_id(row(1)[0].key)}/retry", None, "/v1/deliveries/{id}/retry", 202),
        ("POST", "/v1/deliveries/x/retry", None, "/v1/deliveries/{id}/retry", 404),
    ],
)
async def test_what_is_answered_is_what_is_described(intake, method, path, body, described, status):
    intake.sinks.rows = [row(1), row(2)]
    response, content = await intake.call(method, path, body)
    assert response.status == status
    await assert_described(intake, response, content, described)
