"""The promises of the public contract, as tests hold them against what came at a receiver and at Zendesk."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple, Self

from integration.peers import Message, Receiver

GIVEN_UP = {"zendesk.job.expired", "zendesk.job.lost"}
LATE_ON_THE_WAY_SECONDS = 0.15  # from the decision to ask until it is there: a process's first request has to connect


def assert_told_right(receiver: Receiver, truth: Mapping[str, dict[str, Any]], ids: Iterable[str]) -> None:
    """Each of these jobs has had exactly one terminal event, the last of its story, and it says what is true."""
    by_job = receiver.by_job()
    for job_id in ids:
        messages = by_job.get(job_id, [])
        final = {message.id for message in messages if message.terminal}
        assert len(final) == 1, f"{job_id} ended {len(final)} times: {[one.event['type'] for one in messages]}"
        assert messages[-1].terminal, f"{job_id}: an event after the terminal one"
        assert_agrees(truth[job_id], messages[-1].event)


def assert_agrees(truth: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """The terminal event against what the simulator knows. A job that vanished or never ended is given up."""
    data = event["data"]
    if truth["status"] is None or truth["gone_at"] < truth["ended_at"]:
        assert event["type"] in GIVEN_UP, (truth, event)
        assert data["outcome"] == "unknown"
        return
    assert event["type"] == f"zendesk.job.{truth['status']}", (truth, event)
    assert data["job_status"]["status"] == truth["status"]
    assert data["outcome"] == truth["outcome"]
    if truth["failed"] is not None and truth["status"] == "completed":
        assert data["items"]["failed"] == truth["failed"]


def assert_in_order(receiver: Receiver) -> None:
    """Per job the sequence only grows; what has the same id is the same bytes, and comes again before anything new."""
    for messages in receiver.by_job().values():
        for before, after in pairwise(messages):
            if before.id == after.id:
                assert before.body == after.body
            else:
                assert sequence(before) < sequence(after), [(one.id, sequence(one)) for one in messages]


def sequence(message: Message) -> int:
    return int(message.event["sequence"])


class Arrival(NamedTuple):
    """A request came `at` that moment, or up to `after` earlier, if whoever notes it was not awake."""

    after: float
    at: float

    @classmethod
    def of(cls, at: float, awake: Sequence[float]) -> Self:
        """`awake`: the moments, in order, at which the receiving event loop is known to have turned."""
        return cls(awake[max(0, bisect_left(awake, at) - 2)], at)


def assert_spaced(
    arrivals: Sequence[Arrival], *, gap_seconds: float, late_seconds: float = LATE_ON_THE_WAY_SECONDS
) -> None:
    """Requests keep the gap, and so no minute holds more than the ceiling. `late_seconds`: what one may be on its way.

    Any two are compared, not neighbours only: that one was late on its way must not let the others add up.
    """
    earliest = -inf  # when the first would have come, had each kept the gap and no more
    for number, arrival in enumerate(arrivals):
        early = earliest - (arrival.at - number * gap_seconds)
        assert early <= late_seconds, f"request {number} of {len(arrivals)} came {early:.3f} s too early"
        earliest = max(earliest, arrival.after - number * gap_seconds)
    for number, first in enumerate(arrivals):
        in_a_minute = sum(arrival.at < first.at + 60 for arrival in arrivals[number:])
        assert in_a_minute <= 60 / gap_seconds
