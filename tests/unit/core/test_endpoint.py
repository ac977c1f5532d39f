import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.core.delivery import RETRY_AFTER_SECONDS_MAX, Attempt
from relay.core.endpoint import (
    FAILING_SECONDS_MIN,
    FAILURES_MIN,
    LATE_SECONDS_MAX,
    PROBE_SECONDS_MAX,
    PROBE_SECONDS_MIN,
    THROTTLE_SECONDS_MAX,
    THROTTLE_SECONDS_MIN,
    Endpoint,
)
from relay.core.standing import SinkState
from relay.errors import Reason

TAKEN = Attempt()
FAILED = Attempt(reason=Reason.SERVER_ERROR, detail="500")
LIMITED = Attempt(reason=Reason.RATE_LIMITED, detail="429")
AWAY = Attempt(reason=Reason.UNAVAILABLE, detail="503")
GONE = Attempt(reason=Reason.GONE, detail="410")
REFUSED = Attempt(reason=Reason.REFUSED, detail="404")


def asking(seconds, reason=Reason.RATE_LIMITED):
    return Attempt(reason=reason, retry_after_seconds=seconds)


def attempt(endpoint, outcome, now, *, until=None):
    endpoint.after(endpoint.begin(now), outcome, now if until is None else until)


def endpoint_with(concurrency=8, **options):
    return Endpoint(concurrency=concurrency, **options)


def failing_endpoint(**options):
    """One whose breaker has just opened, and when."""
    endpoint, now = endpoint_with(**options), 0.0
    for number in range(FAILURES_MIN):
        now = 4.0 * number
        attempt(endpoint, FAILED, now)
    return endpoint, now


class TestConcurrency:
    def test_so_many_attempts_are_underway_at_once(self):
        endpoint = endpoint_with(2)
        trials = [endpoint.begin(0.0), endpoint.begin(0.0)]
        assert (endpoint.room(0.0), endpoint.next_at(0.0)) == (0, math.inf)
        endpoint.after(trials[0], TAKEN, 1.0)
        assert (endpoint.room(1.0), endpoint.next_at(1.0)) == (1, 1.0)

    def test_an_attempt_of_which_nothing_is_known_makes_room_too(self):
        endpoint = endpoint_with(1)
        endpoint.after(endpoint.begin(0.0), None, 1.0)
        assert endpoint.room(1.0) == 1


class TestRate:
    def test_attempts_are_evenly_spaced(self):
        endpoint = endpoint_with(rate_per_second=2.0)
        assert endpoint.room(10.0) == 1
        endpoint.begin(10.0)
        assert (endpoint.room(10.0), endpoint.next_at(10.0)) == (0, 10.5)
        assert endpoint.room(10.5) == 1

    def test_what_nobody_asked_for_is_not_made_up(self):
        endpoint = endpoint_with(rate_per_second=2.0)
        endpoint.begin(10.0)
        assert endpoint.room(100.0) == 1

    def test_what_a_busy_event_loop_missed_is_made_up(self):
        """Or a rate of thousands could never be reached: timers are not that exact."""
        endpoint = endpoint_with(1_000, rate_per_second=1_000.0)
        endpoint.begin(10.0)
        assert endpoint.room(10.001 + 0.0205) == 21
        assert endpoint.room(10.001 + LATE_SECONDS_MAX + 0.01) == 1

    @pytest.mark.parametrize("rate", [0.5, 3.0, 250.0])
    def test_over_time_the_rate_is_reached_and_not_exceeded(self, rate):
        endpoint, now, begun = endpoint_with(100_000, rate_per_second=rate), 0.0, 0
        while now < 100.0:
            for _ in range(endpoint.room(now)):
                endpoint.begin(now)
                begun += 1
            now = max(endpoint.next_at(now), now + 0.004)
        assert 0.98 * 100 * rate <= begun <= 100 * rate + 1


class TestThrottle:
    @pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.UNAVAILABLE])
    def test_a_retry_after_holds_the_whole_endpoint(self, reason):
        endpoint = endpoint_with()
        attempt(endpoint, asking(30.0, reason), 0.0, until=1.0)
        assert endpoint.state(1.0) is SinkState.THROTTLED
        assert (endpoint.room(30.9), endpoint.next_at(1.0)) == (0, 31.0)
        assert endpoint.room(31.0) == 1

    @pytest.mark.parametrize(("asked", "wait"), [(0.0, THROTTLE_SECONDS_MIN), (1e9, RETRY_AFTER_SECONDS_MAX)])
    def test_a_retry_after_is_obeyed_within_bounds(self, asked, wait):
        endpoint = endpoint_with()
        attempt(endpoint, asking(asked), 0.0)
        assert endpoint.next_at(0.0) == wait

    @pytest.mark.parametrize("answer", [LIMITED, AWAY])
    def test_without_one_the_waits_grow(self, answer):
        endpoint, now, waits = endpoint_with(), 0.0, []
        for _ in range(10):
            attempt(endpoint, answer, now)
            if endpoint.failing:  # of a 503 that lasts
                break
            waits.append(endpoint.next_at(now) - now)
            now = endpoint.next_at(now)
        expected = [min(THROTTLE_SECONDS_MIN * 2**times, THROTTLE_SECONDS_MAX) for times in range(len(waits))]
        assert waits == expected
        assert len(waits) >= 9

    def test_one_attempt_goes_first_and_then_all(self):
        endpoint = endpoint_with(8)
        attempt(endpoint, LIMITED, 0.0)
        now = endpoint.next_at(0.0)
        first = endpoint.begin(now)
        assert (endpoint.room(now), endpoint.next_at(now)) == (0, math.inf)
        assert endpoint.state(now) is SinkState.THROTTLED
        endpoint.after(first, TAKEN, now + 1)
        assert (endpoint.room(now + 1), endpoint.state(now + 1)) == (8, SinkState.ACTIVE)

    def test_an_answer_that_says_no_in_another_way_ends_it_too(self):
        endpoint = endpoint_with(8)
        attempt(endpoint, LIMITED, 0.0)
        attempt(endpoint, REFUSED, 5.0)
        assert endpoint.room(5.0) == 8

    def test_what_was_told_to_many_at_once_counts_once(self):
        endpoint = endpoint_with(8)
        trials = [endpoint.begin(0.0) for _ in range(8)]
        for trial in trials:
            endpoint.after(trial, LIMITED, 1.0)
        assert endpoint.next_at(1.0) == 1.0 + THROTTLE_SECONDS_MIN

    def test_a_late_answer_may_lengthen_a_wait_but_not_end_it(self):
        endpoint = endpoint_with(8)
        early, late, later = (endpoint.begin(0.0) for _ in range(3))
        endpoint.after(early, asking(10.0), 1.0)
        endpoint.after(late, TAKEN, 2.0)
        assert endpoint.next_at(2.0) == 11.0
        endpoint.after(later, asking(20.0), 2.0)
        assert endpoint.next_at(2.0) == 22.0

    def test_after_a_good_answer_the_waits_begin_anew(self):
        endpoint, now = endpoint_with(), 0.0
        for answer in (LIMITED, LIMITED, LIMITED, TAKEN, LIMITED):
            now = endpoint.next_at(now)
            attempt(endpoint, answer, now)
        assert endpoint.next_at(now) - now == THROTTLE_SECONDS_MIN

    def test_a_throttled_endpoint_that_is_left_alone_is_active_again(self):
        endpoint = endpoint_with()
        attempt(endpoint, asking(10.0), 0.0)
        assert [endpoint.state(now) for now in (9.9, 10.0)] == [SinkState.THROTTLED, SinkState.ACTIVE]


class TestBreaker:
    def test_it_opens_after_many_failures_in_a_row_that_last_long_enough(self):
        endpoint, opened_at = failing_endpoint()
        assert FAILING_SECONDS_MIN <= opened_at < FAILING_SECONDS_MIN + 10
        assert endpoint.state(opened_at) is SinkState.FAILING
        assert endpoint.error == "server_error: 500"
        assert endpoint.next_at(opened_at) == opened_at + PROBE_SECONDS_MIN

    def test_many_failures_at_once_do_not_open_it(self):
        endpoint = endpoint_with()
        for _ in range(10 * FAILURES_MIN):
            attempt(endpoint, FAILED, 0.0, until=FAILING_SECONDS_MIN - 1)
        assert endpoint.state(100.0) is SinkState.ACTIVE

    def test_few_failures_over_a_long_time_do_not_open_it(self):
        endpoint = endpoint_with()
        for number in range(FAILURES_MIN - 1):
            attempt(endpoint, FAILED, 3_600.0 * number)
        assert not endpoint.failing

    def test_a_success_between_them_begins_the_count_anew(self):
        endpoint = endpoint_with()
        for number in range(10 * FAILURES_MIN):
            attempt(endpoint, TAKEN if number % FAILURES_MIN == 0 else FAILED, 10.0 * number)
        assert not endpoint.failing

    def test_being_throttled_is_no_failure(self):
        """The receiver is well, and says so; however long it takes, the wait is as it asks."""
        endpoint, now = endpoint_with(), 0.0
        for _ in range(10 * FAILURES_MIN):
            attempt(endpoint, asking(10.0, Reason.UNAVAILABLE), now)
            assert endpoint.next_at(now) == now + 10.0
            now += 10.0
        assert not endpoint.failing

    def test_a_receiver_that_is_only_unavailable_fails_in_the_end(self):
        endpoint, now = endpoint_with(), 0.0
        for _ in range(FAILURES_MIN):
            attempt(endpoint, AWAY, now)
            now = endpoint.next_at(now)
        assert endpoint.failing

    def test_it_is_tried_by_one_attempt_at_a_time_with_growing_waits(self):
        endpoint, now = failing_endpoint()
        waits = []
        for _ in range(9):
            waits.append(endpoint.next_at(now) - now)
            now = endpoint.next_at(now)
            assert endpoint.room(now) == 1
            trial = endpoint.begin(now)
            assert trial.probe
            assert endpoint.room(now) == 0
            endpoint.after(trial, FAILED, now)
        assert waits == [min(PROBE_SECONDS_MIN * 2**times, PROBE_SECONDS_MAX) for times in range(9)]

    def test_a_retry_after_may_lengthen_the_wait(self):
        endpoint, now = failing_endpoint()
        now = endpoint.next_at(now)
        attempt(endpoint, asking(1_000.0), now)
        assert endpoint.next_at(now) == now + 1_000.0
        assert endpoint.failing

    def test_the_first_success_closes_it(self):
        endpoint, now = failing_endpoint()
        now = endpoint.next_at(now)
        attempt(endpoint, TAKEN, now)
        assert (endpoint.room(now), endpoint.state(now), endpoint.error) == (8, SinkState.ACTIVE, None)
        attempt(endpoint, FAILED, now)
        assert not endpoint.failing

    def test_a_success_that_began_before_it_opened_closes_it_at_once(self):
        slow = endpoint_with()
        trial = slow.begin(0.0)
        for number in range(FAILURES_MIN):
            attempt(slow, FAILED, 10.0 * number)
        assert slow.failing
        slow.after(trial, TAKEN, 100.0)
        assert (slow.failing, slow.room(100.0)) == (False, 8)

    def test_failures_that_began_before_it_opened_do_not_lengthen_the_wait(self):
        endpoint = endpoint_with()
        trials = [endpoint.begin(0.0) for _ in range(7)]
        for number in range(FAILURES_MIN):
            attempt(endpoint, FAILED, 10.0 * number)
        expected = endpoint.next_at(95.0)
        for trial in trials:
            endpoint.after(trial, FAILED, 95.0)
        assert endpoint.next_at(95.0) == expected


class TestSharedByManyUrls:
    @pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.REDIRECT, Reason.GONE])
    def test_what_one_url_is_refused_is_no_trouble_of_the_origin(self, reason):
        endpoint = endpoint_with(shared=True)
        for number in range(10 * FAILURES_MIN):
            attempt(endpoint, Attempt(reason=reason), 10.0 * number)
        assert endpoint.state(2_000.0) is SinkState.ACTIVE

    def test_an_origin_that_answers_again_is_well(self):
        endpoint, now = failing_endpoint(shared=True)
        attempt(endpoint, REFUSED, endpoint.next_at(now))
        assert not endpoint.failing

    def test_everything_else_is(self):
        endpoint, now = failing_endpoint(shared=True)
        assert endpoint.state(now) is SinkState.FAILING
        other = endpoint_with(shared=True)
        attempt(other, asking(10.0), 0.0)
        assert other.room(9.0) == 0


class TestStandstill:
    def test_nothing_begins_while_it_is_paused_and_attempts_underway_end(self):
        endpoint = endpoint_with()
        trial = endpoint.begin(0.0)
        endpoint.stop(SinkState.PAUSED)
        assert (endpoint.room(1.0), endpoint.next_at(1.0), endpoint.stands(1.0)) == (0, math.inf, True)
        endpoint.after(trial, TAKEN, 2.0)
        assert endpoint.state(2.0) is SinkState.PAUSED
        endpoint.resume(3.0)
        assert (endpoint.room(3.0), endpoint.state(3.0)) == (8, SinkState.ACTIVE)

    def test_a_410_disables_it_until_it_is_resumed(self):
        endpoint = endpoint_with()
        attempt(endpoint, GONE, 0.0)
        assert (endpoint.state(1e9), endpoint.room(1e9), endpoint.error) == (SinkState.DISABLED, 0, "gone: 410")
        endpoint.resume(5.0)
        assert endpoint.room(5.0) == 1, "one attempt tells whether it is there again"
        attempt(endpoint, TAKEN, 5.0)
        assert endpoint.room(5.0) == 8

    def test_what_else_is_answered_meanwhile_does_not_hide_why_it_stands_still(self):
        endpoint = endpoint_with()
        late = endpoint.begin(0.0)
        attempt(endpoint, GONE, 1.0)
        endpoint.after(late, FAILED, 2.0)
        assert (endpoint.state(2.0), endpoint.error) == (SinkState.DISABLED, "gone: 410")

    def test_who_resumes_a_failing_or_throttled_endpoint_has_it_tried_at_once(self):
        endpoint, now = failing_endpoint()
        endpoint.resume(now + 1)
        assert (endpoint.room(now + 1), endpoint.state(now + 1)) == (1, SinkState.FAILING)
        throttled = endpoint_with()
        attempt(throttled, asking(1_000.0), 0.0)
        throttled.resume(1.0)
        assert throttled.room(1.0) == 1


ANSWERS = [TAKEN, FAILED, LIMITED, asking(7.0), AWAY, asking(90.0, Reason.UNAVAILABLE), GONE, REFUSED, None]


class AnyEndpoint(RuleBasedStateMachine):
    """Whatever is answered and asked: its bounds hold, and it never stands still for ever by itself."""

    @initialize(concurrency=st.integers(1, 4), rate=st.sampled_from([None, 0.5, 20.0]), shared=st.booleans())
    def configure(self, concurrency, rate, shared):
        self.now = 0.0
        self.concurrency, self.rate = concurrency, rate
        self.endpoint = Endpoint(concurrency=concurrency, rate_per_second=rate, shared=shared)
        self.trials = []
        self.begun = []
        self.asked_until = -math.inf

    @rule(seconds=st.sampled_from([0.01, 0.7, 5.0, 40.0, 400.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.endpoint.room(self.now) > 0)
    @rule()
    def begins(self):
        assert self.now >= self.asked_until, "a receiver's wish for time is kept"
        self.trials.append(self.endpoint.begin(self.now))
        self.begun.append(self.now)

    @precondition(lambda self: self.trials)
    @rule(which=st.integers(0, 3), answer=st.sampled_from(ANSWERS))
    def ends(self, which, answer):
        self.endpoint.after(self.trials.pop(which % len(self.trials)), answer, self.now)
        if answer is not None and answer.retry_after_seconds is not None:
            self.asked_until = max(self.asked_until, self.now + answer.retry_after_seconds)

    @rule()
    def is_paused(self):
        self.endpoint.stop(SinkState.PAUSED)

    @rule()
    def is_resumed(self):
        self.endpoint.resume(self.now)
        self.asked_until = -math.inf

    @invariant()
    def its_bounds_hold(self):
        assert 0 <= self.endpoint.room(self.now) <= self.concurrency - len(self.trials)
        if self.rate is not None and len(self.begun) > 1:
            assert self.begun[-1] - self.begun[-2] >= 1 / self.rate - LATE_SECONDS_MAX - 1e-9

    @invariant()
    def it_says_truly_when_to_ask_again(self):
        at = self.endpoint.next_at(self.now)
        if at == math.inf:
            assert self.endpoint.stopped is not None or self.trials
        else:
            assert self.endpoint.room(at) > 0
            assert at - self.now <= RETRY_AFTER_SECONDS_MAX

    def teardown(self):
        """With good answers, all that is underway and a person's word, it is active in the end."""
        for trial in self.trials:
            self.endpoint.after(trial, TAKEN, self.now)
        self.endpoint.resume(self.now)
        self.now = self.endpoint.next_at(self.now)
        self.endpoint.after(self.endpoint.begin(self.now), TAKEN, self.now)
        assert self.endpoint.state(self.now) is SinkState.ACTIVE


TestAnyEndpoint = AnyEndpoint.TestCase
