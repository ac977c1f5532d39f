import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.callbacks import CALLBACKS_MAX
from relay.core.job import (
    DELETED,
    EXPIRED,
    LOST,
    PENDING,
    STATES,
    Callback,
    EventType,
    Items,
    Job,
    Outcome,
    TrackRequest,
)
from relay.core.observe import (
    METADATA_BYTES_MAX,
    METADATA_KEYS_MAX,
    Rules,
    delete,
    expire,
    give_up,
    observe,
    track,
    track_again,
)
from relay.core.results import Bound, Results
from relay.core.sighting import sight
from relay.errors import Reason

NOW = 1_700_000_000.0
EAGER = Rules(progress_interval_seconds=0.0)
STARTED, PROGRESSED, COMPLETED = EventType.STARTED, EventType.PROGRESSED, EventType.COMPLETED
ZENDESK_ENDS = {"completed": COMPLETED, "failed": EventType.FAILED, "killed": EventType.KILLED}
TERMINAL = {state.ends_with for state in STATES.values() if state.ends_with}
WORDS = [*STATES, "pondering", "Completed"]


def request(**metadata):
    return TrackRequest(account="acme", id="V3-1", metadata=orjson.dumps(metadata))


def calling(url, **metadata):
    return replace(request(**metadata), callback_url=url)


def new_job(**metadata):
    return track(request(**metadata), NOW)


def seen(word, **fields):
    return {"id": "V3-1", "status": word, "total": 10, "progress": None, "message": None, "results": None} | fields


def after(*statuses, job=None, rules=EAGER):
    """The job after these were seen, one a second."""
    job = new_job() if job is None else job
    for number, one in enumerate(statuses, 1):
        job = observe(job, sight(seen(one) if isinstance(one, str) else one), NOW + number, rules)
    return job


def types(job):
    return [event.type for event in job.events]


def state_after(word):
    """How the job's state reads once Zendesk has said this."""
    return "working" if word in {EXPIRED, LOST, DELETED} else word


def first_news(word):
    """What is told when this is the first that is seen."""
    if word in ZENDESK_ENDS:
        return [ZENDESK_ENDS[word]]
    if word in {PENDING, "queued"}:
        return []
    return [STARTED] if state_after(word) == "working" else [PROGRESSED]


class TestStates:
    @pytest.mark.parametrize("word", WORDS)
    def test_the_first_word(self, word):
        """Not started: nothing to tell yet. Ended at once: no started event is made up."""
        job = after(word)
        expected = first_news(word)
        assert types(job) == expected
        assert (job.state, job.sequence, job.seen_at) == (state_after(word), len(expected), NOW + 1)

    @pytest.mark.parametrize("first", WORDS)
    @pytest.mark.parametrize("second", WORDS)
    def test_every_word_after_every_other(self, first, second):
        before = after(first)
        job = after(second, job=before)
        if first in ZENDESK_ENDS:
            assert job is before, "what has ended never changes again"
        elif second in ZENDESK_ENDS:
            assert types(job) == [*types(before), ZENDESK_ENDS[second]]
        elif first in {PENDING, "queued"}:
            assert types(job) == first_news(second)
        elif state_after(second) == "working" and STARTED not in types(before):
            assert types(job) == [*types(before), STARTED]
        else:
            kept = types(before) if first == second else [kind for kind in types(before) if kind is not PROGRESSED]
            assert types(job) == (kept if first == second else [*kept, PROGRESSED])
        if job.sequence > before.sequence:
            assert job.events[-1].previous_status == (None if before.state == PENDING else before.state)

    @pytest.mark.parametrize("word", [EXPIRED, LOST, DELETED])
    def test_a_word_of_ours_in_zendesks_mouth_ends_nothing(self, word):
        """It is one more word that Zendesk does not document; the object carries it as it is."""
        job = after(word)
        assert not job.terminal
        assert orjson.loads(job.job_status)["status"] == word
        assert types(after("completed", job=job)) == [STARTED, COMPLETED]

    def test_what_is_seen_is_kept(self):
        job = after(seen("queued", total=7))
        assert (job.state, job.items, job.queued_at, job.outcome) == ("queued", Items(total=7), NOW + 1, None)
        assert orjson.loads(job.job_status) == seen("queued", total=7)

    def test_a_change_that_is_no_news_is_recorded_without_an_event(self):
        before = after("working")
        job = after(seen("working", total=11), job=before)
        assert (job.events, job.items.total) == (before.events, 11)

    @pytest.mark.parametrize("word", WORDS)
    def test_the_same_again_changes_nothing(self, word):
        job = after(word)
        assert after(word, job=job) is job


class TestEnd:
    def test_the_end_is_judged_by_its_results(self):
        results = [{"index": 0, "id": 5}, {"index": 1, "error": "x", "details": "y"}]
        message = "Completed at 2023-09-18 23:34:42 +0000"
        job = after("working", seen("completed", total=2, results=results, message=message))
        assert (job.outcome, job.items) == (Outcome.PARTIALLY_FAILED, Items(total=2, succeeded=1, failed=1))
        assert (job.detected_at, job.completed_at) == (NOW + 2, "2023-09-18T23:34:42Z")
        final = job.final_event
        assert (final.sequence, final.detected_at, final.reason, final.job_status) == (2, NOW + 2, None, None)

    @pytest.mark.parametrize(("word", "reason"), [("failed", Reason.JOB_FAILED), ("killed", Reason.JOB_KILLED)])
    def test_a_bad_end_has_its_reason(self, word, reason):
        job = after(word)
        assert (job.outcome, job.final_event.reason) == (Outcome.FAILED, reason)

    def test_never_found_is_lost(self):
        job = give_up(new_job(), NOW + 400)
        assert (job.state, types(job), job.outcome) == (LOST, [EventType.LOST], Outcome.UNKNOWN)
        assert (job.final_event.reason, job.job_status, job.detected_at) == (Reason.NEVER_FOUND, None, NOW + 400)

    @pytest.mark.parametrize("word", ["queued", "working"])
    def test_seen_and_then_no_longer_known_is_expired(self, word):
        job = give_up(after(word), NOW + 400)
        assert (job.state, job.outcome, job.final_event.reason) == (EXPIRED, Outcome.UNKNOWN, Reason.NO_LONGER_KNOWN)
        assert (job.final_event.previous_status, job.items.total) == (word, 10)

    @pytest.mark.parametrize("before", [new_job(), after("working")])
    def test_too_old_is_expired(self, before):
        job = expire(before, NOW + 90_000)
        assert (job.state, job.final_event.reason) == (EXPIRED, Reason.AGE_LIMIT)

    @pytest.mark.parametrize("ended", [after("completed"), expire(new_job(), NOW), delete(new_job())])
    @pytest.mark.parametrize("end", [expire, give_up, lambda job, now: observe(job, sight(seen("failed")), now, EAGER)])
    def test_what_has_ended_does_not_end_again(self, ended, end):
        assert end(ended, NOW + 9) is ended

    def test_deleted_makes_no_event_and_keeps_those_that_are_owed(self):
        before = after("working")
        assert delete(before) == replace(before, state=DELETED)


class TestProgress:
    RULES = Rules(progress_interval_seconds=5.0)

    def test_progress_message_and_unknown_words_are_news(self):
        job = after("working", seen("working", progress=1), seen("working", progress=1, message="x"), "pondering")
        assert (types(job), job.sequence) == ([STARTED, PROGRESSED], 4)
        assert orjson.loads(job.events[-1].job_status)["status"] == "pondering"

    def test_only_the_newest_progress_is_kept(self):
        job = after(*(seen("working", progress=number) for number in range(8)))
        assert [event.sequence for event in job.events] == [1, 8]

    def test_progress_is_told_once_in_an_interval(self):
        job = after("working", rules=self.RULES)
        early = observe(job, sight(seen("working", progress=5)), NOW + 5.9, self.RULES)
        assert early is job, "the next poll still finds it changed"
        told = observe(job, sight(seen("working", progress=5)), NOW + 6.0, self.RULES)
        assert types(told) == [STARTED, PROGRESSED]

    def test_the_end_waits_for_no_interval(self):
        assert types(after("working", "completed", rules=self.RULES)) == [STARTED, COMPLETED]

    def test_a_clock_that_went_back_does_not_silence_a_job(self):
        job = after("working", rules=self.RULES)
        assert types(observe(job, sight(seen("working", progress=5)), NOW - 3_600, self.RULES)) == [STARTED, PROGRESSED]

    def test_a_message_that_had_to_be_cut_is_no_news_every_time(self):
        rules = Rules(progress_interval_seconds=0.0, bound=Bound(max_bytes=2_048))
        job = after(seen("working", message="m" * 5_000), rules=rules)
        assert job.results_truncated
        assert after(seen("working", message="m" * 5_000), job=job, rules=rules) is job

    def test_results_are_kept_as_the_rules_say(self):
        rules = Rules(bound=Bound(results=Results.NONE))
        job = after(seen("completed", total=1, results=[{"index": 0, "id": 5}]), rules=rules)
        assert (orjson.loads(job.job_status)["results"], job.outcome) == (None, Outcome.SUCCEEDED)


SNAPSHOTS = st.builds(
    seen,
    st.sampled_from(["queued", "working", "working", "working", "completed", "failed", "killed", "pondering", *STATES]),
    total=st.sampled_from([None, 10, -1, "many", True, 2**63]),
    progress=st.integers(0, 3) | st.none(),
    message=st.sampled_from([None, "Creating ticket #19", "m" * 3_000, 5, {}]),
    results=st.sampled_from([None, [], [{"index": 0}], [{"error": "x"}], {"success": True}, "?"]),
)
STEPS = st.lists(st.tuples(SNAPSHOTS | st.sampled_from(["expire", "give up"]), st.sampled_from([-50.0, 0.0, 0.4, 3.0])))
RULES = st.builds(
    Rules,
    progress_interval_seconds=st.sampled_from([0.0, 1.0]),
    bound=st.builds(Bound, results=st.sampled_from(Results), max_bytes=st.sampled_from([1_024, 65_536])),
)


@given(STEPS, RULES)
@example([(seen("working"), 0.0), ("give up", 0.0), (seen("completed"), 1.0)], EAGER)
def test_any_story_of_a_job_is_told_well(steps, rules):
    """One event at most for each look, numbered without a gap; started at most once; one end, and nothing after."""
    job, now, told = new_job(), NOW, []
    for step, seconds in steps:
        now += seconds
        before = job
        job = step_on(job, step, now, rules)
        assert step_on(job, step, now, rules) is job, "a repeat changes nothing"
        assert job.sequence - before.sequence in {0, 1}
        if job.sequence > before.sequence:
            told.append(job.events[-1])
            assert told[-1].previous_status == (None if before.state == PENDING else before.state)
        if before.terminal:
            assert job is before
        assert len(job.events) <= 3
        assert [event for event in told if event in job.events] == list(job.events)
    assert [event.sequence for event in told] == list(range(1, len(told) + 1))
    kinds = [event.type for event in told]
    assert kinds.count(STARTED) <= 1
    assert TERMINAL.isdisjoint(kinds[:-1])
    assert job.terminal is (bool(kinds) and kinds[-1] in TERMINAL)
    assert (job.outcome is not None) is job.terminal


def step_on(job, step, now, rules):
    if step == "expire":
        return expire(job, now)
    if step == "give up":
        return give_up(job, now)
    return observe(job, sight(step), now, rules)


class TestTracking:
    def test_a_new_job_is_pending_and_carries_what_was_asked(self):
        asked = TrackRequest(account="acme", id="V3-1", metadata=b'{"a":1}', traceparent="00-ab-cd-01")
        assert track(asked, NOW + 0.123_456) == Job(
            account="acme", id="V3-1", tracked_at=NOW + 0.123, metadata=b'{"a":1}', traceparent="00-ab-cd-01"
        )

    @pytest.mark.parametrize(
        "job", [new_job(a=1), after("working", job=new_job(a=1)), after("failed", job=new_job(a=1))]
    )
    def test_the_same_job_again_merges_metadata_and_what_is_there_stays(self, job):
        again = track_again(job, request(a=2, b=3), NOW + 9)
        assert orjson.loads(again.metadata) == {"a": 1, "b": 3}
        assert again == replace(job, metadata=again.metadata)

    @pytest.mark.parametrize("metadata", [{}, {"a": 1}, {"a": 2}])
    def test_nothing_new_changes_nothing(self, metadata):
        job = new_job(a=1)
        assert track_again(job, request(**metadata), NOW + 9) is job

    def test_events_that_were_told_keep_the_metadata_they_had(self):
        job = after("working", job=new_job(a=1))
        again = track_again(job, request(b=2), NOW + 9)
        assert again.events == job.events
        assert orjson.loads(after("completed", job=again).final_event.metadata) == {"a": 1, "b": 2}

    def test_metadata_that_would_become_too_many_or_too_long_are_left_out_as_a_whole(self):
        full = new_job(**{f"k{number}": number for number in range(METADATA_KEYS_MAX - 1)})
        assert len(orjson.loads(track_again(full, request(one=1), NOW).metadata)) == METADATA_KEYS_MAX
        assert track_again(full, request(one=1, two=2), NOW) is full
        long = new_job(a="x" * (METADATA_BYTES_MAX - 100))
        assert track_again(long, request(b="y" * 100), NOW) is long

    @pytest.mark.parametrize(
        "gone",
        [
            give_up(new_job(a=1), NOW + 1),
            give_up(after("working", job=new_job(a=1)), NOW + 2),
            expire(after("working", job=new_job(a=1)), NOW + 2),
            delete(after("working", job=new_job(a=1))),
            delete(after("completed", job=new_job(a=1))),
        ],
        ids=["lost", "no longer known", "expired", "deleted", "deleted after its end"],
    )
    @pytest.mark.parametrize("seconds", [3_600.0, 0.000_1, 0.0, -3_600.0])
    def test_what_was_given_up_or_deleted_is_tracked_afresh_under_a_new_incarnation(self, gone, seconds):
        """Also if the clock stands still or went back: event ids come from `tracked_at`."""
        again = track_again(gone, request(b=2), NOW + seconds)
        assert again.tracked_at > gone.tracked_at
        assert again == track(request(b=2), again.tracked_at)

    @given(st.floats(0, 4e9), st.floats(-1, 1))
    def test_incarnations_differ_in_whole_milliseconds(self, tracked_at, later):
        job = delete(track(request(), tracked_at))
        again = track_again(job, request(), tracked_at + later)
        assert round((again.tracked_at - job.tracked_at) * 1_000, 2) >= 1.0


class TestCallbacks:
    def test_a_callback_keeps_what_its_own_submission_said(self):
        """Merged metadata is for the configured sinks; nobody else's shows up at a callback."""
        first = track(replace(calling("https://a.example/", who="a"), traceparent="00-a-a-01"), NOW)
        both = track_again(
            first, replace(calling("https://b.example/", who="b", more=1), traceparent="00-b-b-01"), NOW + 1
        )
        assert orjson.loads(both.metadata) == {"who": "a", "more": 1}
        assert both.callbacks == (
            Callback(url="https://a.example/", metadata=b'{"who":"a"}', traceparent="00-a-a-01"),
            Callback(url="https://b.example/", metadata=b'{"who":"b","more":1}', traceparent="00-b-b-01"),
        )

    @pytest.mark.parametrize("job", [new_job(), after("working"), after("completed")])
    def test_it_is_added_however_the_job_stands(self, job):
        again = track_again(job, calling("https://a.example/"), NOW + 9)
        assert again == replace(job, callbacks=(Callback(url="https://a.example/"),))

    def test_the_same_url_again_changes_nothing(self):
        job = track(calling("https://a.example/", a=1), NOW)
        assert track_again(job, calling("https://a.example/", a=2), NOW + 1) is job
        merged = track_again(job, calling("https://a.example/", b=1), NOW + 1)
        assert merged.callbacks == job.callbacks

    def test_one_more_than_a_job_may_have_is_told_and_a_known_one_is_still_fine(self):
        job = new_job()
        for number in range(CALLBACKS_MAX):
            job = track_again(job, calling(f"https://a.example/{number}"), NOW)
        assert len(job.callbacks) == CALLBACKS_MAX
        assert track_again(job, calling("https://a.example/more", b=1), NOW) is None
        assert track_again(job, calling("https://a.example/3"), NOW) is job
        assert track_again(job, request(b=1), NOW).callbacks == job.callbacks

    @pytest.mark.parametrize("end", [delete, lambda job: give_up(job, NOW + 1), lambda job: expire(job, NOW + 1)])
    @pytest.mark.parametrize("url", [None, "https://new.example/", "https://a.example/"])
    def test_a_job_tracked_afresh_has_no_callback_of_its_former_life(self, end, url):
        job = end(track(calling("https://a.example/", a=1), NOW))
        again = track_again(job, calling(url, b=2), NOW + 9)
        assert again.callbacks == (() if url is None else (Callback(url=url, metadata=b'{"b":2}'),))

    def test_they_stay_through_all_that_is_seen(self):
        job = track(calling("https://a.example/"), NOW)
        assert after("queued", "working", "completed", job=job).callbacks == job.callbacks
