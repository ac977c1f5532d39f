from random import Random

import orjson
import pytest

from relay.simulator.answer import Answer, Hangup, json_answer
from relay.simulator.faults import Delays, Resets, ServerErrors, Throttles, Truncations, Unauthorized

GOOD = json_answer(200, {"job_statuses": [{"id": "V3-1"}]})


def strikes(fault, count=300):
    random = Random(1)
    return [fault.strike(GOOD, random, 0.0) for _ in range(count)]


@pytest.mark.parametrize(
    "fault",
    [
        ServerErrors(probability=0.2),
        Resets(probability=0.2),
        Truncations(probability=0.2),
        Delays(probability=0.2, seconds=1.0),
        Throttles(probability=0.2, retry_after_seconds=(1, 3)),
    ],
)
def test_a_fault_strikes_as_often_as_it_says_and_the_same_way_each_time(fault):
    replies = strikes(fault)
    assert 30 < sum(reply is not None for reply in replies) < 90
    assert replies == strikes(fault)


def test_server_errors_are_html_and_a_503_comes_with_and_without_retry_after():
    replies = strikes(ServerErrors(probability=1.0))
    assert {reply.status for reply in replies} == {500, 502, 503, 520, 524}
    assert {reply.headers.get("Retry-After") for reply in replies if reply.status == 503} == {"1", None}
    assert all(reply.body.startswith(b"<!DOCTYPE html>") for reply in replies)


def test_truncations_are_halved_empty_or_cut_and_never_whole_json():
    replies = strikes(Truncations(probability=1.0))
    assert {(len(reply.body), reply.cut_after is not None) for reply in replies} == {
        (len(GOOD.body) // 2, False),
        (0, False),
        (len(GOOD.body), True),
    }
    for reply in replies:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(reply.body[: reply.cut_after])


def test_throttles_come_in_four_bodies_with_retry_after():
    replies = strikes(Throttles(probability=1.0, retry_after_seconds=(2, 4)))
    assert {reply.status for reply in replies} == {429}
    assert {reply.headers["Retry-After"] for reply in replies} == {"2", "3", "4"}
    assert len({reply.body for reply in replies}) == 4


def test_a_reset_leaves_no_answer_and_a_delay_leaves_it_whole():
    assert strikes(Resets(probability=1.0), 1) == [Hangup()]
    (late,) = strikes(Delays(probability=1.0, seconds=1.5), 1)
    assert (late.body, late.delay_seconds) == (GOOD.body, 1.5)


def test_unauthorized_lasts_for_its_period():
    fault = Unauthorized(after_seconds=5.0, for_seconds=10.0)
    struck = [isinstance(fault.strike(GOOD, Random(1), at), Answer) for at in (0.0, 4.9, 5.0, 14.9, 15.0)]
    assert struck == [False, False, True, True, False]
