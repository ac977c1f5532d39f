import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay import __version__
from relay.core.delivery import Attempt
from relay.core.events import CloudEvent
from relay.core.signing import Secret, sign, signer
from relay.core.webhook import DETAIL_CHARACTERS_MAX, Webhook, excerpt, judge, request_headers, secrets_of
from relay.errors import Reason

SECRETS = (Secret(key=b"a" * 24), Secret(key=b"b" * 24))
HOOK = Webhook(name="orders", url="https://example.test/hook", secrets=SECRETS)
BODY = b'{"a":1}'
EVENT = CloudEvent(
    id="evt_1",
    source="https://acme.zendesk.com/api/v2/job_statuses",
    type="zendesk.job.completed",
    subject="V3-1",
    time="2026-02-03T04:05:06.789Z",
    partitionkey="acme/V3-1",
    sequence="0000000001",
    data=b"{}",
)


def answer(status, body=b"", now=1_770_105_600.0, hidden=(), **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(status, named, body, now=now, hidden=hidden)


def test_the_headers_of_an_attempt():
    assert request_headers(HOOK, EVENT, BODY, 1_614_265_330) == {
        "content-type": "application/cloudevents+json",
        "user-agent": f"relay/{__version__}",
        "accept-encoding": "identity",
        "webhook-id": "evt_1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": sign(SECRETS, "evt_1", 1_614_265_330, BODY),
    }


def test_keys_of_both_kinds_sign_side_by_side():
    private = signer("whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")
    hook = Webhook(name="orders", url="https://example.test/hook", secrets=(private, *SECRETS))
    versions = [one.split(",")[0] for one in request_headers(hook, EVENT, BODY, 1)["webhook-signature"].split(" ")]
    assert versions == ["v1a", "v1", "v1"]


def test_the_trace_of_the_submission_goes_on():
    """As a header, which is where tracing looks; nobody else's replaces it."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    hook = Webhook(name="a", url="https://a.test", headers={"Traceparent": "mine"})
    assert request_headers(hook, replace(EVENT, traceparent=traceparent), BODY, 1)["traceparent"] == traceparent
    assert "traceparent" not in request_headers(HOOK, EVENT, BODY, 1)


def test_without_a_secret_nothing_is_signed():
    assert "webhook-signature" not in request_headers(Webhook(name="a", url="https://a.test"), EVENT, BODY, 1)


def test_further_headers_are_added_but_replace_none_of_ours():
    own = {"Authorization": "Bearer t", "Webhook-Id": "forged", "CONTENT-TYPE": "text/plain"}
    sent = request_headers(Webhook(name="a", url="https://a.test", headers=own), EVENT, BODY, 1)
    assert sent["authorization"] == "Bearer t"
    assert (sent["webhook-id"], sent["content-type"]) == ("evt_1", "application/cloudevents+json")
    assert len({name.lower() for name in sent}) == len(sent)


def test_an_endpoint_does_not_print_what_may_be_secret():
    hook = Webhook(name="a", url="https://a.test/T0/secret", secrets=SECRETS, headers={"authorization": "Bearer t"})
    assert "secret'" not in repr(hook)
    assert "Bearer" not in repr(hook)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken(status):
    assert answer(status, b"whatever", retry_after="60") == Attempt()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, Reason.REDIRECT),
        (304, Reason.REDIRECT),
        (308, Reason.REDIRECT),
        (400, Reason.REFUSED),
        (401, Reason.REFUSED),
        (404, Reason.REFUSED),
        (410, Reason.GONE),
        (429, Reason.RATE_LIMITED),
        (500, Reason.SERVER_ERROR),
        (501, Reason.SERVER_ERROR),
        (502, Reason.UNAVAILABLE),
        (503, Reason.UNAVAILABLE),
        (504, Reason.UNAVAILABLE),
        (505, Reason.SERVER_ERROR),
        (599, Reason.SERVER_ERROR),
        (101, Reason.UNREADABLE),
        (999, Reason.UNREADABLE),
        (0, Reason.UNREADABLE),
    ],
)
def test_all_else_is_a_failure_with_its_reason(status, reason):
    attempt = answer(status, b"  we are \n closed\x00\x1b[31m ")
    assert attempt.reason is reason
    assert attempt.detail == f"{status} we are closed [31m"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("Tue, 03 Feb 2026 08:01:30 GMT", 90.0), ("Tue, 03 Feb 2026 07:00:00 GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_read_as_seconds_or_date(value, seconds):
    assert answer(503, retry_after=value).retry_after_seconds == seconds


def test_our_own_headers_that_come_back_are_hidden():
    """Some endpoints answer an error with the request that they got."""
    attempt = answer(400, b'{"authorization":"Bearer t0ps3cret","x":"1"}', hidden=["Bearer t0ps3cret", "1"])
    assert attempt.detail == '400 {"authorization":"***","x":"1"}'


def test_no_secret_of_the_endpoint_is_told_when_it_comes_back():
    hook = Webhook(
        name="a",
        url="https://a.test/hooks/T0?token=s3cret",
        headers={"authorization": "Bearer t0ps3cret"},
        proxy="http://user:pass%20word@proxy.test:3128",
    )
    echo = b"no /hooks/T0?token=s3cret, no /hooks/T0, no t0ps3cret, no Basic dXNlcjpwYXNzIHdvcmQ=, no pass word"
    assert answer(404, echo, hidden=secrets_of(hook)).detail == "404 no ***, no ***, no ***, no Basic ***, no ***"
    assert "pass" not in repr(hook)


@given(st.integers(0, 999), st.binary(max_size=5_000), st.text())
def test_no_answer_is_too_strange(status, body, retry_after):
    attempt = answer(status, body, retry_after=retry_after)
    assert (attempt.reason is None) == (200 <= status < 300)
    assert attempt.detail is None or attempt.detail.isprintable()
    assert attempt.detail is None or len(attempt.detail) <= DETAIL_CHARACTERS_MAX + 4


@given(st.text())
def test_an_excerpt_is_one_printable_line(text):
    line = excerpt(text)
    assert line.isprintable()
    assert len(line) <= DETAIL_CHARACTERS_MAX
