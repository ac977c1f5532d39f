from email.utils import parsedate_to_datetime
from random import Random

import orjson
import pytest

from relay.simulator.throttling import HUGE_SECONDS, RATE_LIMIT_TEXT, Body, RetryAfter, Throttling

NOW = 1_695_080_000.25


def refusals(count=200, **options):
    random, throttling = Random(1), Throttling(probability=1.0, **options)
    return [throttling.strike(random, NOW) for _ in range(count)]


def test_a_429_comes_as_often_as_it_says():
    random, throttling = Random(1), Throttling(probability=0.2)
    struck = sum(throttling.strike(random, NOW) is not None for _ in range(300))
    assert 30 < struck < 90
    assert Throttling().strike(Random(1), NOW) is None


@pytest.mark.parametrize(
    ("body", "content_type", "told"),
    [
        (Body.TEXT, "text/plain", RATE_LIMIT_TEXT),
        (Body.HTML, "text/html", "<!DOCTYPE html>"),
        (Body.JSON, "application/json", "APIRateLimitExceeded"),
        (Body.EDGE, "application/json", "Rate limited by Zendesk edge protection"),
    ],
)
def test_each_body_that_was_seen(body, content_type, told):
    (refusal,) = refusals(1, bodies=(body,))
    assert refusal.answer.status == 429
    assert refusal.answer.content_type.partition(";")[0] == content_type
    assert told in refusal.answer.body.decode()


def test_the_edge_says_its_status_as_text():
    (refusal,) = refusals(1, bodies=(Body.EDGE,))
    assert orjson.loads(refusal.answer.body)["status"] == "429"


def test_all_bodies_that_are_named_come():
    assert len({refusal.answer.body for refusal in refusals(bodies=tuple(Body))}) == 4


def retry_after(style):
    return {
        (refusal.answer.headers.get("Retry-After"), refusal.holds_seconds)
        for refusal in refusals(seconds=(2, 4), retry_after=(style,))
    }


@pytest.mark.parametrize(
    ("style", "told"),
    [
        (RetryAfter.SECONDS, {("2", 2), ("3", 3), ("4", 4)}),
        (RetryAfter.BROKEN, {("2.0", 2), ("3.0", 3), ("4.0", 4)}),
        (RetryAfter.ABSENT, {(None, 2), (None, 3), (None, 4)}),
        (RetryAfter.ZERO, {("0", 2), ("0", 3), ("0", 4)}),
        (RetryAfter.HUGE, {(str(HUGE_SECONDS), HUGE_SECONDS)}),
    ],
)
def test_each_retry_after_that_was_seen_and_what_holds(style, told):
    """A 429 holds whether or not it says so: absent and zero are lies by omission."""
    assert retry_after(style) == told


def test_a_date_is_never_before_the_end_when_counted_from_the_replys_own():
    for refusal in refusals(retry_after=(RetryAfter.DATE,)):
        headers = refusal.answer.headers
        told = parsedate_to_datetime(headers["Retry-After"]) - parsedate_to_datetime(headers["Date"])
        assert refusal.holds_seconds <= told.total_seconds() <= refusal.holds_seconds + 2


def test_whoever_comes_too_early_is_told_how_much_is_left():
    assert Throttling().remind(Random(1), 41.2, NOW).headers == {"Retry-After": "42"}
