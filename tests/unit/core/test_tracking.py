"""Requests to track, one after another, on what is known."""

from msgspec.structs import replace

from relay.core.callbacks import CALLBACKS_MAX
from relay.core.job import LOST, JobKey, TrackRequest
from relay.core.observe import track
from relay.core.tracking import track_all

NOW = 1_750_000_000.0


def request(job_id="a", **fields):
    return TrackRequest(account="acme", id=job_id, **fields)


def on(*jobs):
    return {job.key: job for job in jobs}.get


def test_what_nobody_knows_is_created_once_however_often_it_is_asked_for():
    tracked = track_all([request(), request(metadata=b'{"n":1}'), request("b")], on(), NOW)
    assert (tracked.created, tracked.full) == ([True, False, True], [])
    assert tracked.changed[JobKey("acme", "a")].metadata == b'{"n":1}'
    assert len(tracked.changed) == 2


def test_what_is_known_exists_and_changes_only_by_what_is_new():
    known = track(request(), NOW - 5)
    tracked = track_all([request()], on(known), NOW)
    assert (tracked.created, dict(tracked.changed)) == ([False], {})


def test_what_was_given_up_begins_anew():
    lost = replace(track(request(), NOW - 5), state=LOST)
    tracked = track_all([request(), request()], on(lost), NOW)
    assert tracked.created == [True, False]
    assert tracked.changed[lost.key].tracked_at == NOW


def test_who_names_a_callback_too_many_is_told_apart():
    urls = [f"https://hooks.example/{number}" for number in range(CALLBACKS_MAX + 1)]
    tracked = track_all([request(callback_url=url) for url in urls] + [request("b")], on(), NOW)
    assert tracked.full == [CALLBACKS_MAX]
    assert tracked.created == [True, *[False] * (CALLBACKS_MAX - 1), True]
