"""Reading events over real sockets: pages, and streams that go on."""

import asyncio
import socket
from contextlib import AsyncExitStack

import orjson
import pytest
from integration.api import ACCOUNTS, assert_described, bearer, head_of, key, running
from integration.listening import STREAM, listening
from integration.processes import until

from relay.core.events import render, source_of, structured
from relay.core.record import Retention
from relay.errors import LedgerError
from relay.intake import event_calls, opaque
from relay.intake.accounts import Directory
from relay.intake.gate import Bounds
from relay.intake.keys import Keyring, Scope

NOW = 1_700_000_000.0
KEYS = (key("all", *Scope), key("acme", Scope.READ, accounts=("ac*",)), key("submitter", Scope.SUBMIT))


@pytest.fixture
async def intake():
    async with running() as started:
        yield started


def listen(intake, **options):
    return listening(intake.session, "", **options)


async def page(intake, query="", **options):
    status, answer = await intake.answer("GET", f"/v1/events?{query}", **options)
    assert status == 200
    assert set(answer) == {"events", "cursor", "more"}
    return answer


def ids(answer):
    return [event["subject"] for event in answer["events"]]


async def refused(intake, query, **headers):
    response, problem = await intake.refusal("GET", f"/v1/events?{query}", headers=headers)
    return response.status, problem["code"]


# pages


async def test_a_page_holds_the_events_in_the_order_of_recording_as_a_webhook_gets_them(intake):
    event = await intake.story.see("b", "working", progress=1)
    await intake.story.see("a")
    response, content = await intake.call("GET", "/v1/events")
    assert response.headers["Cache-Control"] == "no-store"
    job = intake.story.jobs["acme", "b"]
    assert structured(render(job, event, source_of(ACCOUNTS[0].base_url))) in content
    assert ids(orjson.loads(content)) == ["b", "a"]


async def test_page_by_page_all_is_read_and_the_last_cursor_is_where_to_go_on_later(intake):
    for job_id in "abcde":
        await intake.story.see(job_id)
    first = await page(intake, "limit=2")
    assert (ids(first), first["more"]) == (["a", "b"], True)
    rest = await page(intake, f"cursor={first['cursor']}")
    assert (ids(rest), rest["more"]) == (["c", "d", "e"], False)
    nothing = await page(intake, f"cursor={rest['cursor']}")
    assert (ids(nothing), nothing["cursor"], nothing["more"]) == ([], rest["cursor"], False)
    await intake.story.see("f")
    assert ids(await page(intake, f"cursor={nothing['cursor']}")) == ["f"]


async def test_where_nothing_has_happened_there_is_a_cursor_too(intake):
    nothing = await page(intake)
    assert nothing["events"] == []
    await intake.story.see("a")
    assert ids(await page(intake, f"cursor={nothing['cursor']}")) == ["a"]


async def test_a_page_may_begin_at_a_time(intake):
    for number, job_id in enumerate("abc"):
        await intake.story.see(job_id, at=NOW + number)
    assert ids(await page(intake, "since=2023-11-14T22:13:21Z")) == ["b", "c"]
    assert ids(await page(intake, "since=1700000002&limit=1")) == ["c"]
    assert ids(await page(intake, "since=2033-01-01T00:00:00Z")) == []


async def test_a_page_may_be_of_one_account_one_job_and_some_types():
    async with running(accounts=ACCOUNTS) as intake:
        await intake.story.see("a", "working")
        await intake.story.see("a", "completed")
        await intake.story.see("b", "failed", account="globex")
        for query, found in [
            ("account=acme", ["a", "a"]),
            ("account=nope", []),
            ("job=b", ["b"]),
            ("type=started", ["a"]),
            ("type=zendesk.job.completed,failed", ["a", "b"]),
            ("type=terminal&account=globex", ["b"]),
        ]:
            assert ids(await page(intake, query)) == found


async def test_a_page_is_bounded_in_bytes_and_says_that_there_is_more(intake, monkeypatch):
    monkeypatch.setattr(event_calls, "READ_AT_ONCE", 2)
    monkeypatch.setattr(event_calls, "PAGE_BYTES_MAX", 10_000)
    for number in range(9):
        await intake.story.see(f"V3-{number}", message="x" * 6_000)
    found = await page(intake)
    assert (len(found["events"]), found["more"]) == (2, True)
    assert len((await page(intake, f"cursor={found['cursor']}"))["events"]) == 2


@pytest.mark.parametrize("headers", [{}, STREAM])
async def test_a_cursor_after_which_events_are_forgotten_is_expired(intake, headers):
    await intake.story.see("a", at=NOW - 10)
    old = (await page(intake))["cursor"]
    await intake.story.see("b", at=NOW - 10)
    await intake.story.see("c")
    await intake.story.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
    await intake.story.resume()
    assert await refused(intake, f"cursor={old}", **headers) == (410, "cursor_expired")
    assert await refused(intake, f"cursor={opaque.write_place((99,))}", **headers) == (410, "cursor_expired")
    assert ids(await page(intake)) == ids(await page(intake, "since=1970-01-01T00:00:00Z")) == ["c"]


@pytest.mark.parametrize("headers", [{}, STREAM])
@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        f"cursor={opaque.write('a')}",
        "since=now",
        "type=done",
        "limit=0",
        "limit=1001",
        "jobs=a",
        "job=a&job=b",
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(intake, query, headers):
    assert await refused(intake, query, **headers) == (422, "invalid_field")


async def test_a_ledger_that_does_not_answer_is_unavailable(intake):
    async def fail(*_):
        raise LedgerError("disk I/O error")

    intake.story.ledger.events = fail
    assert await refused(intake, "") == (503, "ledger_unavailable")


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 200), ("limit=1", 200), ("limit=0", 422), (f"cursor={opaque.write_place((99,))}", 410)],
)
async def test_what_is_answered_is_what_is_described(intake, query, status):
    for word in ("working", "completed"):
        await intake.story.see("a", word, total=3, results=[{"id": 1, "success": True}])
    await intake.story.see("b", "killed")
    response, content = await intake.call("GET", f"/v1/events?{query}")
    assert response.status == status
    await assert_described(intake, response, content, "/v1/events")


# live


async def test_live_events_come_as_they_are_recorded_and_as_a_webhook_gets_them(intake):
    await intake.story.see("before")
    async with listen(intake) as listener:
        assert listener.response.content_type == "text/event-stream"
        assert listener.response.headers["Cache-Control"] == "no-store"
        assert listener.response.headers["X-Accel-Buffering"] == "no"
        event = await intake.story.see("a", "working")
        (told,) = await listener.take(1)
        assert told.type == "zendesk.job.started"
        job = intake.story.jobs["acme", "a"]
        assert told.data == structured(render(job, event, source_of(ACCOUNTS[0].base_url)))
        await intake.story.see("b")
        await intake.story.see("a", "failed")
        assert [told.job_id for told in await listener.take(2)] == ["b", "a"]


async def test_who_comes_back_goes_on_after_the_last_event(intake):
    async with listen(intake) as listener:
        for job_id in "abc":
            await intake.story.see(job_id)
        first = (await listener.take(3))[0].id
    for place in ({"headers": {"Last-Event-ID": first}}, {"cursor": first}):
        async with listen(intake, **place) as listener:
            assert [told.job_id for told in await listener.take(2)] == ["b", "c"]


async def test_who_has_heard_nothing_goes_on_where_it_began(intake):
    async with listen(intake) as listener:
        place = listener.last_id
    await intake.story.see("a")
    async with listen(intake, headers={"Last-Event-ID": place}) as listener:
        assert [told.job_id for told in await listener.take(1)] == ["a"]


async def test_the_last_id_is_newer_than_the_cursor_of_the_url(intake):
    """A browser comes back to the url that it was given, with the id that it has heard last."""
    for job_id in "ab":
        await intake.story.see(job_id)
    first = opaque.write_place((1,))
    async with listen(intake, headers={"Last-Event-ID": first}, cursor=opaque.write_place((0,))) as listener:
        assert [told.job_id for told in await listener.take(1)] == ["b"]


async def test_a_last_id_that_is_none_is_refused(intake):
    assert await refused(intake, "", **STREAM, **{"Last-Event-ID": "garbled"}) == (422, "invalid_field")


async def test_a_cursor_of_a_page_is_one_of_the_stream_and_the_other_way_round(intake):
    await intake.story.see("a")
    found = await page(intake)
    await intake.story.see("b")
    async with listen(intake, cursor=found["cursor"]) as listener:
        (told,) = await listener.take(1)
    await intake.story.see("c")
    assert ids(await page(intake, f"cursor={told.id}")) == ["c"]


async def test_live_events_may_begin_at_a_time_in_the_past(intake):
    for number, job_id in enumerate("abc"):
        await intake.story.see(job_id, at=NOW + number)
    async with listen(intake, since="2023-11-14T22:13:21Z") as listener:
        assert [told.job_id for told in await listener.take(2)] == ["b", "c"]
        await intake.story.see("d", at=NOW + 9)
        assert [told.job_id for told in await listener.take(1)] == ["d"]


async def test_live_events_may_be_of_one_account_one_job_and_some_types():
    async with running(accounts=ACCOUNTS) as intake, listen(intake, account="acme", type="terminal") as listener:
        await intake.story.see("a", "working")
        await intake.story.see("b", account="globex")
        await intake.story.see("a")
        (told,) = await listener.take(1)
        assert (told.type, told.job_id) == ("zendesk.job.completed", "a")


async def test_a_quiet_stream_shows_signs_of_life():
    async with running(bounds=Bounds(stream_quiet_seconds=0.01, drain_seconds=1)) as intake, listen(intake) as listener:
        for _ in range(3):
            assert await listener.block() is None
        assert listener.comments == ["still here"] * 3


async def test_head_tells_the_head_of_either_form(intake):
    for headers, content_type in ((STREAM, "text/event-stream"), ({}, "application/json")):
        response, content = await intake.call("HEAD", "/v1/events", headers=headers)
        assert (response.status, response.content_type, content) == (200, content_type, b"")


async def test_a_client_of_http_1_0_is_served_until_it_goes(intake):
    reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    writer.write(b"GET /v1/events HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head
    assert b"chunked" not in head
    assert (await reader.readuntil(b"\n\n")).startswith(b"retry: ")
    await intake.story.see("a")
    assert (await reader.readuntil(b"\n\n")).startswith(b"id: ")
    writer.close()
    await writer.wait_closed()
    await until(lambda: not intake.gate._streams, 5)


async def test_two_hundred_readers_hear_everything():
    async with running() as intake, AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(listen(intake)) for _ in range(200)]
        for number in range(20):
            await intake.story.see(f"V3-{number}")
        for told in await asyncio.gather(*(listener.take(20) for listener in listeners)):
            assert [one.job_id for one in told] == [f"V3-{number}" for number in range(20)]
        await stack.aclose()
        await until(lambda: not intake.gate._streams, 5)


async def test_streams_beyond_the_bound_are_asked_to_come_back():
    async with running(bounds=Bounds(streams=1, drain_seconds=1)) as intake:
        async with listen(intake):
            response, problem = await intake.refusal("GET", "/v1/events", headers=STREAM)
            assert (response.status, problem["code"]) == (429, "overloaded")
            assert int(response.headers["Retry-After"]) >= 1
            assert (await page(intake))["events"] == []
        await until(lambda: not intake.gate._streams, 5)
        async with listen(intake):
            pass


async def test_who_does_not_read_is_let_go_and_holds_nobody_up():
    bounds = Bounds(stream_stalled_seconds=0.3, drain_seconds=1)
    async with running(bounds=bounds) as intake, listen(intake) as healthy:
        slow = socket.create_connection(("127.0.0.1", intake.port))
        slow.sendall(head_of("Accept: text/event-stream", method="GET", path="/v1/events").encode())
        await until(lambda: intake.gate._streams == 2, 5)
        for number in range(200):
            await intake.story.see(f"V3-{number}", message="x" * 60_000)
            await healthy.take(1, seconds=0.25)
        await until(lambda: intake.gate._streams == 1, 5)
        heard = await asyncio.to_thread(_all_of, slow)
        assert b": too slow; " in heard[-200:]
        assert heard.count(b"\nevent: ") < 200


def _all_of(connection):
    connection.settimeout(5)
    with connection:
        return b"".join(iter(lambda: connection.recv(1 << 20), b""))


async def test_who_neither_reads_nor_goes_is_cut_off(monkeypatch):
    monkeypatch.setattr("relay.intake.sse.LINGER_SECONDS", 0.1)
    async with running(bounds=Bounds(stream_stalled_seconds=0.1, drain_seconds=1)) as intake:
        slow = socket.create_connection(("127.0.0.1", intake.port))
        with slow:
            slow.sendall(head_of("Accept: text/event-stream", method="GET", path="/v1/events").encode())
            await until(lambda: intake.gate._streams, 5)
            for number in range(200):
                await intake.story.see(f"V3-{number}", message="x" * 60_000)
            await until(lambda: not intake.served.server.connections, 5)


async def test_draining_ends_streams_and_who_comes_back_hears_why(intake):
    async with listen(intake) as listener:
        intake.gate.drain()
        assert await listener.ended() == []
        assert listener.comments == ["relay is shutting down; come back"]
        assert listener.response.headers["Connection"] == "close"
    response, content = await intake.call("GET", "/v1/events", headers=STREAM)
    assert (response.status, content) == (200, b": relay is shutting down; come back\n\n")
    assert (await page(intake))["events"] == []


async def test_who_falls_behind_what_is_kept_is_told_so(intake):
    async with listen(intake) as listener:
        await intake.story.see("a", at=NOW - 10)
        await listener.take(1)
        await intake.story.see("b", at=NOW - 10)
        await intake.story.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
        await intake.story.resume()
        await intake.story.see("c")
        assert [told.job_id for told in await listener.ended()] == []
        assert listener.comments == ["so far behind that events are forgotten"]
    assert await refused(intake, "", **STREAM, **{"Last-Event-ID": listener.last_id}) == (410, "cursor_expired")


# keys


async def test_reading_needs_a_key_with_the_scope():
    async with running(*KEYS) as intake:
        for headers in ({}, STREAM):
            assert await refused(intake, "", **headers) == (401, "unauthorized")
            assert await refused(intake, "", **headers, **bearer("submitter")["headers"]) == (403, "forbidden")


async def test_events_of_other_accounts_do_not_exist_for_a_key():
    async with running(*KEYS, accounts=ACCOUNTS) as intake, listen(intake, **bearer("acme")) as listener:
        await intake.story.see("a", account="globex")
        await intake.story.see("b", account="acme")
        assert [told.job_id for told in await listener.take(1)] == ["b"]
        assert ids(await page(intake, **bearer("acme"))) == ["b"]
        assert ids(await page(intake, **bearer("all"))) == ["a", "b"]
        for headers in ({}, STREAM):
            sent = headers | bearer("acme")["headers"]
            assert await refused(intake, "account=globex", **sent) == (404, "not_found")


async def test_an_account_that_is_added_is_heard_of_by_who_listens_already():
    async with running(*KEYS, accounts=ACCOUNTS[1:]) as intake, listen(intake, **bearer("acme")) as listener:
        intake.access.directory = Directory(ACCOUNTS)
        await intake.story.see("a", account="acme")
        assert [told.job_id for told in await listener.take(1)] == ["a"]


async def test_a_key_that_is_revoked_hears_nothing_more():
    async with running(*KEYS, accounts=ACCOUNTS) as intake:
        async with listen(intake, **bearer("acme")) as revoked, listen(intake, **bearer("all")) as other:
            intake.access.keyring = Keyring(KEYS[:1])
            await intake.story.see("a", account="acme")
            assert [told.job_id for told in await other.take(1)] == ["a"]
            assert await revoked.ended() == []
            assert revoked.comments == ["this API key is not known here"]
        await until(lambda: not intake.gate._streams, 5)
