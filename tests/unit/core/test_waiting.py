import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.job import Job
from relay.core.rule import LATE_PART, NO_FORECAST, Limits, accrued
from relay.core.waiting import ENOUGH, STEPS_PER_E, Waiting
from relay.core.watch import Watch
from relay.core.zendesk import IDS_MAX

NEVER = Limits(math.inf, math.inf)
STEP = math.exp(1.0 / STEPS_PER_E)  # how far apart two outlooks in one lane may be


def watch_asked(at):
    watch = Watch(Job(account="acme", id="V3-1", tracked_at=1.0))
    watch.asked_at = at
    return watch


def waiting_for(*jobs):
    """Jobs as (asked at, seconds to the expected change), with True behind where progress told that."""
    waiting = Waiting()
    watches = [watch_asked(at) for at, *_ in jobs]
    for watch, (at, expected, *forecast) in sorted(zip(watches, jobs, strict=True), key=lambda pair: pair[0].asked_at):
        watch.tracked_at = watch.queued_at = at - expected
        watch.work_left = 1.0 if any(forecast) else NO_FORECAST
        waiting.add([watch], at, 0.0)
    return waiting, watches


class TestDue:
    def test_nobody_waits(self):
        assert Waiting().due_at(5.0, 1.0, NEVER) == math.inf

    @pytest.mark.parametrize(("expected", "price"), [(20.0, 1.0), (600.0, 1.0), (2.0, 5.0), (0.1, 1.0)])
    def test_one_job_is_due_when_it_accrued_the_price(self, expected, price):
        waiting, _ = waiting_for((0.0, expected))
        due_at = waiting.due_at(0.0, price, NEVER)
        assert accrued(due_at, expected / STEP) >= ENOUGH * price
        assert accrued(due_at, expected * STEP) <= price / ENOUGH

    def test_many_jobs_are_due_when_their_sum_is(self):
        waiting, _ = waiting_for(*[(0.0, 20.0)] * 25)
        assert waiting.due_at(0.0, 1.0, NEVER) == pytest.approx(math.sqrt(2 * 20 / 25), rel=0.1)

    def test_only_as_many_count_as_one_request_holds(self):
        few, _ = waiting_for(*[(0.0, 20.0)] * IDS_MAX)
        many, _ = waiting_for(*[(0.0, 20.0)] * 5 * IDS_MAX)
        assert few.due_at(0.0, 1.0, NEVER) == pytest.approx(many.due_at(0.0, 1.0, NEVER))

    def test_it_is_never_before_the_earliest_moment_that_was_asked_for(self):
        waiting, _ = waiting_for((0.0, 20.0))
        assert waiting.due_at(100.0, 1.0, NEVER) == 100.0

    def test_whoever_is_late_is_due_whatever_it_accrued(self):
        waiting, _ = waiting_for((0.0, 900.0), (3.0, 900.0))
        assert waiting.due_at(1.0, 1.0, Limits(10.0, 30.0)) == 10.0

    def test_a_job_with_a_forecast_may_go_unseen_for_longer(self):
        waiting, _ = waiting_for((0.0, 900.0, True), (25.0, 900.0))
        assert waiting.due_at(1.0, 10.0, Limits(10.0, 30.0)) == 30.0

    def test_a_job_that_has_been_there_for_long_may_go_unseen_for_longer(self):
        waiting, _ = waiting_for((0.0, 80_000.0))
        due_at = waiting.due_at(1.0, 100.0, Limits(10.0, 30.0))
        assert LATE_PART * 80_000.0 / STEP < due_at < LATE_PART * 80_000.0 * STEP

    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 250), st.floats(0.01, 50.0), st.integers(0, 1_000_000))
    def test_it_is_close_to_the_first_moment_at_which_the_dearest_are_worth_the_price(self, count, price, seed):
        chance = Random(seed)
        jobs = [(chance.uniform(0.0, 10.0), chance.lognormvariate(3.0, 2.0) + 0.1) for _ in range(count)]
        waiting, _ = waiting_for(*jobs)

        def worth(now, factor):
            return sum(sorted((accrued(now - at, expected * factor) for at, expected in jobs), reverse=True)[:IDS_MAX])

        due_at = waiting.due_at(10.0, price, NEVER)
        assert worth(due_at, 1 / STEP) >= 0.98 * price
        assert due_at == 10.0 or worth(due_at, STEP) <= price / 0.98


class TestTaking:
    def test_the_dearest_go_first(self):
        waiting, (soon, far, long_unseen) = waiting_for((9.0, 1.0), (5.0, 1_000.0), (0.0, 50.0))
        assert [waiting.take(1, 10.0, NEVER)[0] for _ in range(3)] == [long_unseen, soon, far]

    def test_late_ones_go_before_the_dearest_the_latest_first(self):
        waiting, (dear, late, latest) = waiting_for((9.0, 0.1), (2.0, 700.0), (1.0, 900.0))
        assert waiting.take(3, 12.0, Limits(10.0, 30.0)) == [latest, late, dear]

    def test_who_is_taken_waits_no_more(self):
        waiting, watches = waiting_for(*[(0.0, float(expected)) for expected in range(1, 251)])
        taken = [watch for _ in range(3) for watch in waiting.take(IDS_MAX, 10.0, NEVER)]
        assert set(taken) == set(watches)
        assert (len(taken), len(waiting)) == (250, 0)
        assert waiting.take(IDS_MAX, 10.0, NEVER) == []

    def test_who_has_ended_is_not_taken_and_leaves(self):
        waiting, watches = waiting_for(*[(float(at), 20.0) for at in range(5)])
        for watch in watches[1:4]:
            watch.ended = True
        assert waiting.take(2, 10.0, NEVER) == [watches[0], watches[4]]
        assert len(waiting) == 0

    def test_who_has_ended_leaves_its_place_at_the_head(self):
        waiting, (first, second) = waiting_for((0.0, 20.0), (1.0, 20.0))
        first.ended = True
        waiting.forget_ended()
        assert waiting.oldest() is second
        assert len(waiting) == 1


def test_requests_that_were_not_answered_make_nobody_younger():
    """All were asked about at once, and nothing was heard of any."""
    waiting = Waiting()
    watches = [watch_asked(0.0) for _ in range(5)]
    for watch, tracked_at in zip(watches, (90.0, 10.0, 60.0, 30.0, 95.0), strict=True):
        watch.tracked_at = watch.queued_at = tracked_at
    waiting.add(watches, 100.0, 1.0)
    assert waiting.oldest() is watches[1]


class TestNew:
    def test_they_can_be_taken_before_others(self):
        waiting, (dear,) = waiting_for((0.0, 1.0))
        new, ended = watch_asked(9.0), watch_asked(9.0)
        ended.ended = True
        for watch in (ended, new):
            waiting.add_new(watch, 20.0)
        assert waiting.new == 2
        assert waiting.take_new(IDS_MAX) == [new]
        assert (waiting.new, len(waiting), waiting.oldest()) == (0, 1, dear)

    def test_they_compete_with_others_by_what_they_accrue(self):
        waiting, (seen,) = waiting_for((5.0, 20.0))
        new = watch_asked(0.0)
        waiting.add_new(new, 20.0)
        assert waiting.take(1, 10.0, NEVER) == [new]
        assert waiting.oldest() is seen


@settings(max_examples=25, deadline=None)
@given(st.integers(101, 600), st.integers(0, 1_000_000))
def test_a_request_holds_about_the_dearest_jobs_there_are(count, seed):
    """Whoever is left out is no dearer than who is taken, but for the width of a lane."""
    chance = Random(seed)
    jobs = [(chance.uniform(0.0, 30.0), chance.lognormvariate(4.0, 1.5) + 0.1) for _ in range(count)]
    waiting, watches = waiting_for(*jobs)
    delay = {watch: accrued(30.0 - at, expected) for watch, (at, expected) in zip(watches, jobs, strict=True)}
    taken = set(waiting.take(IDS_MAX, 30.0, NEVER))
    assert len(taken) == IDS_MAX
    left = max(delay[watch] for watch in watches if watch not in taken)
    assert left <= min(delay[watch] for watch in taken) * STEP * STEP + 0.1
