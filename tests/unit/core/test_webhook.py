import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import __version__
from relay.core.delivery import Attempt
from relay.core.signing import Secret, sign
from relay.core.webhook import DETAIL_CHARACTERS_MAX, Webhook, excerpt, judge, request_headers
from relay.errors import Reason

SECRETS = (Secret(key=b"a" * 24), Secret(key=b"b" * 24))
HOOK = Webhook(name="orders", url="https://example.test/hook", secrets=SECRETS)
BODY = b'{"a":1}'


def answer(status, body=b"", now=1_770_105_600.0, hidden=(), **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(status, named, body, now=now, hidden=hidden)


def test_the_headers_of_an_attempt():
    assert request_headers(HOOK, "evt_1", BODY, 1_614_265_330) == {
        "content-type": "application/cloudevents+json",
        "user-agent": f"relay/{__version__}",
        "accept-encoding": "identity",
        "webhook-id": "evt_1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": sign(SECRETS, "evt_1", 1_614_265_330, BODY),
    }


def test_without_a_secret_nothing_is_signed():
    assert "webhook-signature" not in request_headers(Webhook(name="a", url="https://a.test"), "evt_1", BODY, 1)


def test_further_headers_are_added_but_replace_none_of_ours():
    own = {"Authorization": "Bearer t", "Webhook-Id": "forged", "CONTENT-TYPE": "text/plain"}
    sent = request_headers(Webhook(name="a", url="https://a.test", headers=own), "evt_1", BODY, 1)
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
        (503, Reason.SERVER_ERROR),
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
