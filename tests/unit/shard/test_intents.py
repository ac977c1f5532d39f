"""What is decided about jobs, on a draft and without a ledger."""

import pytest
from msgspec.structs import replace
from sim.owing import ended_job

from relay.core.callbacks import CALLBACKS_MAX, CallbacksFull, sink_of
from relay.core.delivery import DeliveryState, Subscription
from relay.core.job import EventType, TrackRequest
from relay.core.observe import Rules, track
from relay.core.sighting import sight
from relay.shard.claims import Claims
from relay.shard.draft import Draft, Found, Memory
from relay.shard.intents import End, Note, Observe, Track, Untrack
from relay.shard.live import Live
from relay.shard.publications import Publications
from relay.shard.subscriptions import Subscriptions

NOW = 1_750_000_000.0
PUBLICATIONS = Publications(source=str, metrics=None, log=None)
URL, OTHER_URL = "https://hooks.example/a", "https://hooks.example/b"
SUBSCRIPTIONS = (Subscription(sink="all", types=frozenset(EventType)), Subscription(sink="final"))


def draft_on(live=None, *found):
    memory = Memory(
        live=live or Live(), claims=Claims(), subscriptions=Subscriptions(SUBSCRIPTIONS), publications=PUBLICATIONS
    )
    return Draft(memory=memory, found=Found(jobs={job.key: job for job in found}), position=7, now=NOW)


def request(job_id="V3-1", **fields):
    return TrackRequest(account="acme", id=job_id, **fields)


def live_job(**fields):
    live = Live()
    return live, live.add(track(request(**fields), NOW - 10))


def seen(watch, status, **fields):
    return watch, sight({"id": watch.job.id, "status": status, **fields})


def sinks(draft):
    return {row.sink for row in draft.deliveries.values()}


class TestTrack:
    def test_a_job_that_is_not_in_memory_is_taken_for_unknown(self):
        draft = draft_on()
        assert Track(requests=[request()]).decide(draft) == [True]
        assert draft.finish().unknown == (request().key,)
        assert [job.id for job in draft.finish().jobs] == ["V3-1"]
        assert not draft.finish().deliveries

    def test_a_callback_that_comes_after_the_end_is_owed_it_and_nobody_else_is(self):
        ended = ended_job(1, NOW, callbacks=[URL])
        draft = draft_on(None, ended)
        assert Track(requests=[request(ended.id, callback_url=OTHER_URL)]).decide(draft) == [False]
        (row,) = draft.finish().deliveries
        assert (row.sink, row.sequence, row.due_at) == (sink_of(OTHER_URL), ended.final_event.sequence, NOW)
        assert [callback.url for callback in draft.finish().jobs[0].callbacks] == [URL, OTHER_URL]

    def test_the_same_url_again_changes_nothing(self):
        ended = ended_job(1, NOW, callbacks=[URL])
        draft = draft_on(None, ended)
        assert Track(requests=[request(ended.id, callback_url=URL)]).decide(draft) == [False]
        assert not draft.finish().jobs
        assert not draft.finish().deliveries

    def test_several_that_come_together_after_the_end_are_owed_it_each_once(self):
        ended = ended_job(1, NOW)
        draft = draft_on(None, ended)
        for url in (URL, OTHER_URL, URL):
            Track(requests=[request(ended.id, callback_url=url)]).decide(draft)
        assert sinks(draft) == {sink_of(URL), sink_of(OTHER_URL)}
        one_by_one = draft_on(None, ended)
        Track(requests=[request(ended.id, callback_url=url) for url in (URL, OTHER_URL)]).decide(one_by_one)
        assert one_by_one.deliveries == draft.deliveries

    def test_a_callback_of_a_job_that_runs_waits_for_its_end(self):
        live, watch = live_job()
        draft = draft_on(live)
        Track(requests=[request(callback_url=URL)]).decide(draft)
        assert not draft.finish().deliveries
        Observe(seen=[seen(watch, "completed")], seen_at=NOW, rules=Rules()).decide(draft)
        assert sinks(draft) == {"all", "final", sink_of(URL)}

    def test_of_what_names_one_callback_too_many_nothing_is_taken(self):
        full = ended_job(1, NOW, callbacks=[f"https://hooks.example/{number}" for number in range(CALLBACKS_MAX)])
        draft = draft_on(None, full)
        answer = Track(requests=[request("V3-9"), request(full.id, callback_url=URL)]).decide(draft)
        assert isinstance(answer, CallbacksFull)
        assert answer.indexes == [1]
        assert not draft.finish().jobs
        assert not draft.finish().deliveries


class TestObserve:
    def test_an_event_is_owed_to_who_wants_it_and_has_the_next_position(self):
        live, watch = live_job(callback_url=URL)
        draft = draft_on(live)
        Observe(seen=[seen(watch, "working")], seen_at=NOW, rules=Rules()).decide(draft)
        assert sinks(draft) == {"all"}
        ((job, event),) = draft.finish().events
        assert (event.position, draft.position, job.events[-1]) == (8, 8, event)

    def test_row_by_row_the_positions_of_new_events_rise_however_the_jobs_came_by_them(self):
        """Whoever follows the ledger may have to wait between any two rows, and tells of what it has by then."""
        live, first = live_job()
        second = live.add(replace(first.job, id="V3-2"))
        draft = draft_on(live)
        draft.put(first.job)
        for watch, status in ((second, "working"), (first, "working"), (second, "completed")):
            Observe(seen=[seen(watch, status)], seen_at=NOW, rules=Rules()).decide(draft)
        batch = draft.finish()
        assert [(job.id, [event.position for event in job.events]) for job in batch.jobs] == [
            ("V3-1", [8]),
            ("V3-2", [9, 10]),
        ]
        assert [event.position for _, event in batch.events] == [8, 9, 10]
        assert all(event in job.events for job, event in batch.events)
        assert draft.position == 10

    def test_what_is_in_hand_counts_more_than_what_memory_holds(self):
        live, watch = live_job()
        first = draft_on(live)
        Observe(seen=[seen(watch, "working")], seen_at=NOW, rules=Rules()).decide(first)
        live.change(watch, next(iter(first.jobs.values())))
        (row,) = first.deliveries.values()
        claims = Claims()
        claims.take([(row, watch.job)])
        memory = Memory(live=live, claims=claims, subscriptions=Subscriptions(SUBSCRIPTIONS), publications=PUBLICATIONS)
        second = Draft(memory=memory, found=Found(), position=8, now=NOW + 5)
        Observe(seen=[seen(watch, "working", progress=5)], seen_at=NOW + 5, rules=Rules()).decide(second)
        assert not second.deliveries, "the attempt in hand goes first; what follows is decided when it is settled"


def test_a_job_that_is_given_up_ends_with_an_event():
    live, watch = live_job(callback_url=URL)
    draft = draft_on(live)
    End(watches=[watch], too_old=False).decide(draft)
    assert sinks(draft) == {"all", "final", sink_of(URL)}
    assert {row.state for row in draft.deliveries.values()} == {DeliveryState.PENDING}


@pytest.mark.parametrize("known", [True, False])
def test_whoever_untracks_is_told_whether_the_job_was_known(known):
    live = live_job()[0] if known else Live()
    draft = draft_on(live)
    assert Untrack(key=request().key).decide(draft) is known
    assert len(draft.finish().jobs) == known


def test_a_note_is_a_mark():
    draft = draft_on()
    Note(name="sink/orders", value=b"{}").decide(draft)
    assert draft.finish().marks == {"sink/orders": b"{}"}
