from random import Random

import orjson
import pytest

from relay.simulator.answer import Hangup, json_answer
from relay.simulator.faults import (
    Cut,
    Delays,
    Drips,
    Maintenance,
    Moment,
    Resets,
    ServerErrors,
    Truncations,
    Window,
)
from relay.simulator.scenarios import SCENARIOS

GOOD = json_answer(200, {"job_statuses": [{"id": "V3-1"}]})


def strikes(fault, count=300):
    moment = Moment(random=Random(1), now=1_000.0, age_seconds=0.0)
    return [fault.strike(GOOD, moment) for _ in range(count)]


@pytest.mark.parametrize(
    "fault",
    [
        ServerErrors(probability=0.2),
        Resets(probability=0.2),
        Truncations(probability=0.2),
        Delays(probability=0.2, seconds=(1.0, 2.0)),
        Drips(probability=0.2, seconds=(1.0, 2.0)),
    ],
)
def test_a_fault_strikes_as_often_as_it_says_and_the_same_way_each_time(fault):
    replies = strikes(fault)
    assert 30 < sum(reply is not None for reply in replies) < 90
    assert replies == strikes(fault)


def test_server_errors_are_html_and_a_503_comes_with_and_without_retry_after():
    replies = strikes(ServerErrors(probability=1.0))
    assert {reply.status for reply in replies} == {500, 502, 503, 520, 524}
    assert {reply.headers.get("Retry-After") for reply in replies if reply.status == 503} == {None, *"12345"}
    assert all(reply.body.startswith(b"<!DOCTYPE html>") for reply in replies)


@pytest.mark.parametrize(("name", "hints"), [("unavailable", {*"12345"}), ("unavailable-mute", {None})])
def test_a_503_says_how_long_or_does_not(name, hints):
    (fault,) = SCENARIOS[name].faults
    struck = [reply for reply in strikes(fault) if reply is not None]
    assert {(reply.status, reply.headers.get("Retry-After")) for reply in struck} == {(503, hint) for hint in hints}


def test_only_the_statuses_that_are_named_are_answered():
    assert {reply.status for reply in strikes(ServerErrors(probability=1.0, statuses=(502, 524)))} == {502, 524}


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


def test_truncations_may_keep_to_a_window():
    assert strikes(Truncations(probability=1.0, window=Window(after_seconds=1.0, for_seconds=9.0)), 1) == [None]


def test_a_cut_can_be_chosen():
    assert {reply.body for reply in strikes(Truncations(probability=1.0, cuts=(Cut.NOTHING,)))} == {b""}


def test_a_reset_leaves_no_answer():
    assert strikes(Resets(probability=1.0), 1) == [Hangup()]


def test_late_and_dripping_answers_are_whole():
    (late,) = strikes(Delays(probability=1.0, seconds=(1.5, 1.5)), 1)
    assert (late.body, late.delay_seconds) == (GOOD.body, 1.5)
    (dripping,) = strikes(Drips(probability=1.0, seconds=(40.0, 40.0)), 1)
    assert (dripping.body, dripping.drip_seconds) == (GOOD.body, 40.0)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (Window(after_seconds=5.0, for_seconds=10.0), [5.0, 14.9], [0.0, 4.9, 15.0, 105.0]),
        (
            Window(after_seconds=5.0, for_seconds=10.0, every_seconds=100.0),
            [5.0, 105.0, 214.9],
            [0.0, 4.9, 15.0, 104.9],
        ),
    ],
)
def test_a_window_holds_once_or_again_and_again(window, inside, outside):
    assert [window.holds(age) for age in inside] == [True] * len(inside)
    assert [window.holds(age) for age in outside] == [False] * len(outside)


def test_maintenance_is_a_503_without_a_hint():
    (reply,) = strikes(Maintenance(window=Window(after_seconds=0.0, for_seconds=1.0)), 1)
    assert (reply.status, reply.headers) == (503, {})
    assert strikes(Maintenance(window=Window(after_seconds=1.0, for_seconds=1.0)), 1) == [None]
