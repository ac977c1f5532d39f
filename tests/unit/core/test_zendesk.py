"""Replies as they were recorded, documented and feared: all end as values, none as a wrong conclusion."""

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.zendesk import (
    RETRY_AFTER_SECONDS_MAX,
    STATUS_WORD_MAX,
    Endpoint,
    NoResponse,
    RateHeaders,
    Reply,
    Request,
    Response,
    decipher,
    hearsay,
    rate_headers,
    retry_after_seconds,
)
from relay.errors import Reason

NOW = 1_700_000_000.0
ASKED = ("V3-1", "V3-2", "V3-3")
MANY = Request(endpoint=Endpoint.SHOW_MANY, ids=ASKED)
ONE = Request(endpoint=Endpoint.SHOW, ids=("V3-1",))


def status(job_id, word="working", **fields):
    return {"id": job_id, "status": word, "total": 3, "progress": 1, "message": None, "results": None} | fields


def answer(body, code=200, **headers):
    body = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)


def reply_to(request, body, code=200, **headers):
    return decipher(request, answer(body, code, **headers), NOW)


class TestRequest:
    def test_paths_are_those_of_the_reference(self):
        assert MANY.path == "/api/v2/job_statuses/show_many.json?ids=V3-1,V3-2,V3-3"
        assert ONE.path == "/api/v2/job_statuses/V3-1.json"


class TestComplete:
    def test_what_is_asked_for_is_found_by_id(self):
        statuses = [status("V3-1"), status("V3-2", "completed"), status("V3-3", "queued")]
        reply = reply_to(MANY, {"job_statuses": statuses})
        found = {one["id"]: one for one in statuses}
        encoded = {one["id"]: orjson.dumps(one) for one in statuses}
        assert reply == Reply(found=found, encoded=encoded, status=200)

    @given(st.permutations(ASKED))
    def test_the_order_of_the_reply_means_nothing(self, order):
        reply = reply_to(MANY, {"job_statuses": [status(job_id) for job_id in order]})
        assert reply.reason is None
        assert reply.found == {job_id: status(job_id) for job_id in ASKED}

    def test_duplicates_are_folded(self):
        reply = reply_to(MANY, {"job_statuses": [status("V3-1"), status("V3-1")], "count": 2})
        assert (reply.reason, list(reply.found)) == (None, ["V3-1"])

    def test_an_omitted_id_is_absent_without_any_complaint(self):
        reply = reply_to(MANY, {"job_statuses": [status("V3-2")], "count": 1, "next_page": None})
        assert (reply.reason, list(reply.found)) == (None, ["V3-2"])

    def test_an_empty_list_is_an_answer(self):
        assert reply_to(MANY, {"job_statuses": []}) == Reply(status=200)

    def test_a_count_that_is_not_told_says_nothing(self):
        assert reply_to(MANY, {"job_statuses": [status("V3-1")], "count": None}).reason is None

    def test_the_object_is_handed_on_as_it_is(self):
        """Unknown words, mistyped and unknown fields included."""
        strange = status("V3-1", "pondering", total="many", progress=[], extra={"a": [1]}) | {"job_type": None}
        assert reply_to(MANY, {"job_statuses": [strange]}).found == {"V3-1": strange}

    @pytest.mark.parametrize("body", [{"job_status": status("V3-1")}, status("V3-1")], ids=["wrapped", "bare"])
    def test_one_job_comes_wrapped_or_bare(self, body):
        found = status("V3-1")
        assert reply_to(ONE, body) == Reply(found={"V3-1": found}, encoded={"V3-1": orjson.dumps(found)}, status=200)

    def test_one_job_may_have_a_count_of_its_own(self):
        assert reply_to(ONE, status("V3-1", count=9)).reason is None


NOT_COMPLETE = {
    "a stranger": {"job_statuses": [status("V3-1"), status("V3-9")]},
    "only strangers": {"job_statuses": [status("V3-8"), status("V3-9")]},
    "more than is here": {"job_statuses": [status("V3-1")], "count": 3},
    "less than is here": {"job_statuses": [status("V3-1"), status("V3-2")], "count": 1},
    "a count that is none": {"job_statuses": [status("V3-1")], "count": {"total": 1}},
    "an error beside it": {"job_statuses": [status("V3-1")], "error": "DatabaseError"},
    "errors beside it": {"job_statuses": [status("V3-1")], "errors": [{"code": "Timeout"}]},
    "a next page": {"job_statuses": [status("V3-1")], "next_page": "https://acme.test/?page=2"},
    "a next cursor": {"job_statuses": [status("V3-1")], "meta": {"has_more": True}},
    "no id": {"job_statuses": [status("V3-1"), {"status": "working"}]},
    "no status": {"job_statuses": [status("V3-1"), {"id": "V3-2"}]},
    "an empty status": {"job_statuses": [status("V3-1"), status("V3-2", "")]},
    "a long status": {"job_statuses": [status("V3-1"), status("V3-2", "x" * (STATUS_WORD_MAX + 1))]},
    "a status that is none": {"job_statuses": [status("V3-1"), status("V3-2", ["working"])]},
    "an id that is a number": {"job_statuses": [status("V3-1"), status(2)]},
    "an id that is a list": {"job_statuses": [status("V3-1"), status(["V3-2"])]},
    "null": {"job_statuses": [status("V3-1"), None]},
    "text": {"job_statuses": [status("V3-1"), "V3-2"]},
}


class TestIncomplete:
    """Nothing may be concluded about an id that is missing."""

    @pytest.mark.parametrize("body", NOT_COMPLETE.values(), ids=NOT_COMPLETE)
    def test_a_doubtful_list_is_incomplete_and_yields_what_can_be_trusted(self, body):
        reply = reply_to(MANY, body)
        assert reply.reason is Reason.INCOMPLETE
        assert reply.detail
        readable = [one for one in body["job_statuses"] if one in map(status, ASKED)]
        assert reply.found == {one["id"]: one for one in readable}

    @pytest.mark.parametrize(
        "body",
        [status("V3-2"), {"job_status": status("V3-2")}, {"job_status": None}, {}, {"job_statuses": [status("V3-1")]}],
    )
    def test_one_job_that_is_another_or_none_is_no_answer(self, body):
        reply = reply_to(ONE, body)
        assert (reply.reason, reply.found) == (Reason.INCOMPLETE, {})

    def test_an_object_nested_deeper_than_can_be_written_is_left_out(self):
        """The reader takes what the writer of the same library refuses: it would fail wherever it is recorded."""
        deep = b'{"job_statuses":[{"id":"V3-1","status":"working"},{"id":"V3-2","status":"working","results":%s}]}' % (
            b"[" * 300 + b"]" * 300
        )
        reply = reply_to(MANY, deep)
        assert (reply.reason, list(reply.found), list(reply.encoded)) == (Reason.INCOMPLETE, ["V3-1"], ["V3-1"])

    @pytest.mark.parametrize(("last", "reason"), [(True, Reason.INCOMPLETE), (False, None)], ids=["last", "first"])
    def test_of_two_that_are_about_one_job_the_one_that_can_be_written_is_taken(self, last, reason):
        deep = b'{"id":"V3-1","status":"working","results":%s}' % (b"[" * 300 + b"]" * 300)
        both = [orjson.dumps(status("V3-1")), deep]
        body = b'{"job_statuses":[%s]}' % b",".join(both if last else reversed(both))
        reply = reply_to(MANY, body)
        assert (reply.reason, reply.found) == (reason, {"V3-1": status("V3-1")})

    def test_many_brackets_are_not_depth(self):
        wide = [status(job_id, "completed", results=[{"index": n} for n in range(300)]) for job_id in ASKED]
        reply = reply_to(MANY, {"job_statuses": wide})
        assert (reply.reason, len(reply.found)) == (None, 3)

    def test_a_truncated_body_is_unreadable_wherever_it_ends(self):
        whole = orjson.dumps({"job_statuses": [status(job_id) for job_id in ASKED]})
        assert {reply_to(MANY, whole[:cut]).reason for cut in range(len(whole))} == {Reason.UNREADABLE}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>502</html>",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"{}",
            b'{"job_statuses":null}',
            b'{"job_statuses":{}}',
        ],
    )
    def test_what_is_no_list_of_statuses_is_unreadable(self, body):
        reply = reply_to(MANY, body)
        assert (reply.reason, reply.found) == (Reason.UNREADABLE, {})


THROTTLED = {
    "text": b"Number of allowed API requests per minute exceeded",
    "json": b'{"error":"APIRateLimitExceeded","description":"Number of allowed API requests per minute exceeded"}',
    "edge": b'{"detail":"Rate limited by Zendesk edge protection","status":"429","title":"Too Many Requests"}',
    "html": b"<html><body>429</body></html>",
    "empty": b"",
}
NO_RECORD = b'{"error":"RecordNotFound","description":"Not found"}'


class TestRefusal:
    @pytest.mark.parametrize("body", THROTTLED.values(), ids=THROTTLED)
    def test_a_429_is_known_by_its_status_whatever_its_body(self, body):
        reply = reply_to(MANY, body, 429, retry_after="93")
        assert (reply.reason, reply.retry_after_seconds, reply.found) == (Reason.RATE_LIMITED, 93.0, {})

    @pytest.mark.parametrize(
        ("code", "body", "reason"),
        [
            (401, b'{"error":"Couldn\'t authenticate you"}', Reason.UNAUTHORIZED),
            (
                403,
                b'{"error":{"title":"Forbidden","message":"You do not have access to this page."}}',
                Reason.FORBIDDEN,
            ),
            (400, b'{"error":"TooManyValues","description":"Too many values","max_count":100}', Reason.REFUSED),
            (414, b"URI Too Long", Reason.REFUSED),
            (422, b"{}", Reason.REFUSED),
            (301, b"", Reason.REDIRECT),
            (302, b"<html>login</html>", Reason.REDIRECT),
            (500, b"<html></html>", Reason.SERVER_ERROR),
            (502, b"", Reason.SERVER_ERROR),
            (503, b'{"error":"DatabaseError"}', Reason.SERVER_ERROR),
            (520, b"cloudflare", Reason.SERVER_ERROR),
            (524, b"", Reason.SERVER_ERROR),
            (204, b"", Reason.UNREADABLE),
            (202, b'{"job_statuses":[]}', Reason.UNREADABLE),
            (418, b"", Reason.UNREADABLE),
        ],
    )
    def test_every_refusal_has_its_reason(self, code, body, reason):
        reply = reply_to(MANY, body, code)
        assert (reply.reason, reply.found) == (reason, {})
        assert reply.detail.startswith(f"HTTP {code}: ")

    def test_only_zendesks_own_words_say_that_a_record_is_missing(self):
        assert reply_to(MANY, NO_RECORD, 404).reason is reply_to(ONE, NO_RECORD, 404).reason is Reason.NOT_FOUND

    @pytest.mark.parametrize("asked", [MANY, ONE])
    @pytest.mark.parametrize(
        "body",
        [
            b"Not Found",
            b"No help desk at nowhere.zendesk.com",
            b"<html>404 Not Found</html>",
            b'{"error":"InvalidEndpoint","description":"Not found"}',
            b'{"error":{"title":"No help desk at nowhere.zendesk.com","message":"Not found"}}',
            b'{"error":"AccountNotFound"}',
            b'{"error":"Not Found"}',
            b'{"status":404,"error":"Not Found"}',
            b'["RecordNotFound"]',
            b'{"error":null}',
            b'{"error":["RecordNotFound"]}',
            b"{}",
            b"",
        ],
    )
    def test_any_other_404_is_no_absence(self, asked, body):
        """It comes from a dead subdomain, a proxy or another's web server, and must not lose a job."""
        reply = reply_to(asked, body, 404)
        assert (reply.reason, reply.status) == (Reason.UNREADABLE, 404)

    @pytest.mark.parametrize(
        ("code", "body", "ids_max"),
        [
            (400, b'{"error":"TooManyValues","description":"accepts up to 40","max_count":40}', 40),
            (400, b'{"error":"TooManyValues","description":"Too many values"}', None),
            (422, b'{"error":"RecordInvalid","max_count":40}', None),
            *((400, b'{"max_count":%s}' % value, None) for value in (b"0", b"-3", b"true", b'"40"', b"4.5", b"null")),
            (400, b"Bad Request", None),
        ],
    )
    def test_how_many_ids_are_taken_is_told_by_a_400_only(self, code, body, ids_max):
        reply = reply_to(MANY, body, code)
        assert (reply.reason, reply.ids_max) == (Reason.REFUSED, ids_max)

    def test_no_answer_at_all_keeps_its_reason(self):
        reply = decipher(MANY, NoResponse(reason=Reason.TIMEOUT, detail="30 s"), NOW)
        assert reply == Reply(reason=Reason.TIMEOUT, detail="30 s")

    def test_the_detail_is_bounded_and_on_one_line(self):
        detail = reply_to(MANY, b"  much\n\n talk " * 10_000, 500).detail
        assert len(detail) < 250
        assert detail.startswith("HTTP 500: much talk much")


class TestHearsay:
    """A reply from where the account was before it was configured anew."""

    def test_what_it_tells_is_so_and_what_it_does_not_know_proves_nothing(self):
        told = hearsay(reply_to(MANY, {"job_statuses": [status("V3-1")]}))
        assert (told.reason, list(told.found)) == (Reason.INCOMPLETE, ["V3-1"])

    @pytest.mark.parametrize("body", [NO_RECORD, b"No help desk at old.zendesk.com"])
    def test_a_404_proves_nothing_in_whatever_words(self, body):
        reply = hearsay(reply_to(ONE, body, 404))
        assert (reply.reason, reply.status, reply.found) == (Reason.INCOMPLETE, None, {})

    @pytest.mark.parametrize("code", [401, 422, 429, 503])
    def test_whatever_proves_no_absence_stays_as_it_is(self, code):
        reply = reply_to(MANY, b"", code)
        assert hearsay(reply) is reply


class TestRateHeaders:
    @pytest.mark.parametrize(
        ("headers", "told"),
        [
            ({"x-rate-limit": "700", "x-rate-limit-remaining": "699"}, (700, 699, None)),
            ({"rate-limit": "400", "rate-limit-remaining": "0", "rate-limit-reset": "7"}, (400, 0, 7)),
            ({"ratelimit-limit": "200", "ratelimit-remaining": "12", "ratelimit-reset": "60"}, (200, 12, 60)),
            ({"x-rate-limit-remaining": "5"}, (None, 5, None)),
            ({"ratelimit-reset": " 41 "}, (None, None, 41)),
            ({"ratelimit-remaining": "3", "x-rate-limit-remaining": "9", "x-rate-limit": "10"}, (10, 3, None)),
            ({"ratelimit-remaining": "oops", "x-rate-limit-remaining": "9"}, (None, 9, None)),
            ({"zendesk-ratelimit-job-statuses": "total=100; remaining=99; resets=41"}, (100, 99, 41)),
            ({"zendesk-rate-limit-x": "total=9; remaining=3; resets=4", "x-rate-limit-remaining": "5"}, (9, 3, 4)),
            ({"zendesk-ratelimit-x": "total=100; remaining=99", "ratelimit-remaining": "5"}, (None, 5, None)),
            ({"zendesk-ratelimit-x": "garbage;;=", "ratelimit-remaining": "5"}, (None, 5, None)),
            ({"ratelimit-limit": "400.0", "ratelimit-remaining": "90.00"}, (400, 90, None)),
            ({}, (None, None, None)),
        ],
    )
    def test_every_recorded_spelling_is_understood(self, headers, told):
        limit, remaining, reset = told
        assert rate_headers(headers) == RateHeaders(limit=limit, remaining=remaining, reset_seconds=reset)

    @pytest.mark.parametrize("value", ["", "-1", "1.5", "1e3", "٣", "0x10", "9" * 10, "400;w=60", "nan"])
    def test_an_unreadable_number_counts_as_not_told(self, value):
        assert rate_headers({"ratelimit-remaining": value}) == RateHeaders()

    @pytest.mark.parametrize("code", [200, 404, 429, 503])
    def test_they_are_read_from_every_reply(self, code):
        reply = reply_to(MANY, {"job_statuses": []}, code, ratelimit_remaining="7")
        assert reply.rate == RateHeaders(remaining=7)


def http_date(seconds):
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("93", 93.0),
            (" 7 ", 7.0),
            ("1.5", 1.5),
            ("0", 0.0),
            ("-5", 0.0),
            ("999999999", RETRY_AFTER_SECONDS_MAX),
            ("1e300", RETRY_AFTER_SECONDS_MAX),
            ("nan", None),
            ("inf", None),
            ("-inf", None),
            ("soon", None),
            ("", None),
            ("Wed, 99 Foo 2026 00:00:00 GMT", None),
            (http_date(NOW + 120), 120.0),
            (http_date(NOW - 120), 0.0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SECONDS_MAX),
        ],
    )
    def test_seconds_or_a_date_within_bounds(self, value, seconds):
        assert retry_after_seconds({"retry-after": value}, NOW) == seconds

    def test_a_date_without_a_zone_is_utc_wherever_relay_runs(self, monkeypatch):
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            value = http_date(NOW + 120).replace("GMT", "-0000")
            assert retry_after_seconds({"retry-after": value}, NOW) == 120.0
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_absent_is_not_zero(self):
        assert retry_after_seconds({}, NOW) is None

    def test_a_date_is_read_against_their_clock_not_ours(self):
        headers = {"retry-after": http_date(NOW + 3_630), "date": http_date(NOW + 3_600)}
        assert retry_after_seconds(headers, NOW) == 30.0

    def test_a_date_of_theirs_that_nobody_can_read_leaves_ours(self):
        headers = {"retry-after": http_date(NOW + 30), "date": "yesterday"}
        assert retry_after_seconds(headers, NOW) == 30.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.fixed_dictionaries(
    {}, optional={"id": st.sampled_from([*ASKED, "V3-9"]) | JSON, "status": st.sampled_from(["working", ""]) | JSON}
)
BODIES = st.binary(max_size=100) | st.one_of(
    JSON,
    ENTRIES,
    st.fixed_dictionaries({"error": JSON}),
    st.fixed_dictionaries({"job_status": ENTRIES | JSON}),
    st.fixed_dictionaries({"job_statuses": st.lists(ENTRIES | JSON, max_size=5)}, optional={"count": JSON}),
).map(orjson.dumps)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["retry-after", "date", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-rate-limit"]
    ),
    st.text(max_size=20) | st.floats().map(str) | st.integers(-9, 2**70).map(str) | st.floats(0, 2**36).map(http_date),
)


@given(st.sampled_from([MANY, ONE]), st.sampled_from([200, 404, 429]) | st.integers(0, 999), HEADERS, BODIES)
def test_whatever_comes_back_ends_as_a_reply_about_ids_that_were_asked_for(asked, code, headers, body):
    """What is found can be read, and can be written again, as the ledger will have to."""
    reply = decipher(asked, Response(status=code, headers=headers, body=body), NOW)
    assert reply.found.keys() <= set(asked.ids)
    for job_id, job_status in reply.found.items():
        assert job_status["id"] == job_id
        assert 0 < len(job_status["status"]) <= STATUS_WORD_MAX
        assert orjson.loads(reply.encoded[job_id]) == job_status
    if reply.reason is None:
        assert code == 200
        assert orjson.loads(body)
    assert reply.retry_after_seconds is None or 0 <= reply.retry_after_seconds <= RETRY_AFTER_SECONDS_MAX
    assert all(value is None or value >= 0 for value in (reply.rate.limit, reply.rate.remaining))
