"""What must hold of any run against the model, whatever it played: told from the requests and the events, not from us.

Every function raises AssertionError with what was found.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any, NamedTuple

from sim.world import Exchange, World, data_of

from relay.core.events import CloudEvent
from relay.core.pacing import Rate

TERMINAL = frozenset(f"zendesk.job.{word}" for word in ("completed", "failed", "killed", "expired", "lost"))
SAME_WINDOW_SECONDS = 30.0  # ends that are told so close to each other are of one window, the earliest being right
SOON_SECONDS = 600.0  # what ended and stays visible for longer than this is seen, unless the account was shut for hours


class Told(NamedTuple):
    """The account's limit as one reply told it; the window ends then at the latest."""

    limit: int
    remaining: int
    window_ends: float


def assert_spaced(exchanges: Sequence[Exchange], rate: Rate) -> None:
    """Our own ceiling, kept without bursts, tokens and confirmations included, also from one process to the next."""
    gap = 60.0 / rate.max_requests_per_minute
    for before, after in pairwise(sorted(exchanges, key=lambda exchange: exchange.sent_at)):
        assert after.sent_at - before.sent_at >= gap - 1e-6, f"{before} and {after} are too close"


def assert_waits_are_kept(exchanges: Sequence[Exchange]) -> None:
    """Nothing is sent between hearing a Retry-After and its end, at most a day later."""
    sent = sorted(exchange.sent_at for exchange in exchanges)
    for exchange in exchanges:
        until = exchange.heard_at + min(retry_after(exchange.headers) or 0.0, 86_400.0)
        early = sent[bisect_right(sent, exchange.heard_at) : bisect_right(sent, until - 1e-6)]
        assert not early, f"sent at {early} in spite of {exchange}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date counts from the reply's own."""
    value = headers.get("retry-after")
    if value is None:
        return None
    if "date" in headers and not value.replace(".", "").isdigit():
        return (parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])).total_seconds()
    return float(value)


def assert_reserve_is_left(exchanges: Sequence[Exchange], rate: Rate) -> None:
    """While less than the reserve is known to remain, one request a minute goes, the stated floor, and no more."""
    floor_gap = 60.0 / rate.floor_requests_per_minute
    for before, after in pairwise(sorted(exchanges, key=lambda exchange: exchange.sent_at)):
        heard = [each for each in exchanges if each.heard_at <= after.sent_at and each.life == after.life]
        newest = max(heard, key=lambda each: each.sent_at, default=None)
        told = None if newest is None else told_by(newest)
        if told is None or told.remaining > rate.reserve * told.limit:
            continue
        ends = [each.window_ends for each in map(told_by, heard) if each is not None]
        if after.sent_at < -1e-6 + min(end for end in ends if abs(end - told.window_ends) < SAME_WINDOW_SECONDS):
            assert after.sent_at - before.sent_at >= floor_gap - 1e-6, f"{after} in spite of {newest}"


def told_by(exchange: Exchange) -> Told | None:
    """From a spelling that tells all three."""
    headers = exchange.headers
    for names in (
        ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
        ("rate-limit", "rate-limit-remaining", "rate-limit-reset"),
    ):
        if all(name in headers for name in names):
            limit, remaining, reset = (int(headers[name]) for name in names)
            return Told(limit, remaining, exchange.heard_at + reset)
    return None


def assert_told_once_and_right(world: World, ids: Sequence[str], *, shut_for_hours: bool) -> None:
    """Each job has one terminal event, the same for every receiver, and it is the truth as far as it could be known."""
    truth, unspeakable = world.truth(), unspeakable_jobs(world)
    for receiver in world.receivers.values():
        by_job = receiver.by_job()
        for job_id in ids:
            events = by_job[job_id]
            final = {event.id: event for event in events if event.type in TERMINAL}
            assert len(final) == 1, f"{job_id}: {[event.type for event in events]}"
            assert_in_order(events)
            (event,) = final.values()
            hidden = shut_for_hours or job_id in unspeakable
            assert_true(truth[job_id], event, world, hidden=hidden)


def unspeakable_jobs(world: World) -> Collection[str]:
    """Those that Zendesk tells nobody of, whoever asks."""
    if not world.simulator.scenario.look_ups.unspeakable:
        return ()
    return {plan.id for plan in world.simulator.plans() if plan.poisonous}


def assert_in_order(events: Sequence[CloudEvent]) -> None:
    """A repeat may follow its original, in the same bytes; nothing older comes after something newer."""
    sequences = [int(event.sequence) for event in events]
    assert sequences == sorted(sequences)
    assert all(a.data == b.data for a, b in pairwise(events) if a.id == b.id)


def assert_true(truth: Mapping[str, Any], event: CloudEvent, world: World, *, hidden: bool) -> None:
    data = data_of(event)
    match event.type.rpartition(".")[2]:
        case "lost" | "expired" as word:
            assert data["outcome"] == "unknown"
            assert (data["job_status"] is None) == (data["previous_status"] is None)
            assert_unknowable(truth, word, data, world, hidden=hidden)
        case word:
            assert word == truth["status"] == data["job_status"]["status"]
            assert data["outcome"] == truth["outcome"]
            if word == "completed" and truth["failed"] is not None:
                assert (data["items"]["succeeded"], data["items"]["failed"]) == (truth["succeeded"], truth["failed"])


def assert_unknowable(
    truth: Mapping[str, Any], word: str, data: Mapping[str, Any], world: World, *, hidden: bool
) -> None:
    """Given up: only what was gone already, or never ended, or was `hidden`: for hours nobody could ask about it."""
    detected_at = world.when(data["detected_at"])
    gone = truth["gone_at"] <= detected_at
    age = detected_at - world.when(data["tracked_at"])
    if data["reason"] == "age_limit":
        assert age >= world.polling.expire_after_seconds - 0.001
        ended_unseen = truth["ended_at"] is not None and not hidden
        assert truth["status"] is None or gone or not ended_unseen, f"{truth} was there to be seen"
    else:
        assert gone, f"{truth} was given up as {word}"
        assert (word == "lost") == (data["job_status"] is None)
    if truth["ended_at"] is not None and not hidden:
        assert truth["gone_at"] - truth["ended_at"] < SOON_SECONDS, f"{truth} could have been seen to end"
