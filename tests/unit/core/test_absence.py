import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.absence import CONFIRM_MISSES_MIN, LOOKS_PER_PART, PARTS, Grace, begin_anew
from relay.core.job import Job
from relay.core.watch import Apart, Watch

GRACE = Grace(seconds=300.0, unseen_seconds_max=10.0)
PART = 300.0 / PARTS


def watch_missed_at(*moments, grace=GRACE):
    watch = Watch(Job(account="acme", id="V3-1", tracked_at=1.0))
    for moment in moments:
        grace.missed(watch, moment)
    return watch


def test_nothing_is_proven_before_it_was_missed():
    watch = watch_missed_at()
    assert not GRACE.is_over(watch)
    assert GRACE.ends_at(watch) == math.inf
    watch.looked_at = 5.0
    assert not GRACE.is_over(watch)


def test_it_is_over_when_replies_have_agreed_for_so_long():
    moments = [PART * number for number in range(PARTS + 1)]
    assert not GRACE.is_over(watch_missed_at(*moments[:-1]))
    assert GRACE.is_over(watch_missed_at(*moments))


def test_a_time_without_replies_is_no_part_of_it():
    watch = watch_missed_at(0.0, 10_000.0)
    assert watch.looked_at - watch.absent_since == PART
    assert GRACE.ends_at(watch) == 10_000.0 + 300.0 - PART


def test_looks_that_are_meant_to_be_far_apart_count_in_full():
    rare = Grace(seconds=300.0, unseen_seconds_max=500.0)
    assert rare.is_over(watch_missed_at(0.0, 500.0, grace=rare))
    assert not rare.is_over(watch_missed_at(0.0, grace=rare))


def test_it_is_confirmed_when_missed_twice_then_ever_more_rarely_and_always_in_the_end():
    watch = watch_missed_at()
    confirmed = []
    for number in range(1, 41):
        GRACE.missed(watch, 10.0 * number)
        if GRACE.asks_for_confirmation(watch):
            confirmed.append(number)
    assert confirmed == [CONFIRM_MISSES_MIN, 4, 8, 16, *range(31, 41)]


def test_one_that_is_apart_was_told_of():
    watch = watch_missed_at()
    watch.apart = Apart(0.0)
    GRACE.missed(watch, 5.0)
    assert watch.apart.answered


def test_what_was_counted_counts_no_more():
    watch = watch_missed_at(0.0, 10.0)
    begin_anew(watch)
    assert (watch.misses, GRACE.ends_at(watch)) == (0, math.inf)


@pytest.mark.parametrize(
    ("now", "within"), [(0.0, PART / LOOKS_PER_PART), (290.0, 10.0), (301.0, PART / LOOKS_PER_PART)]
)
def test_the_next_look_is_in_time_to_count_and_at_the_end(now, within):
    assert GRACE.look_within(watch_missed_at(0.0), now) == within


@given(st.lists(st.floats(0.0, 2_000.0), min_size=1, max_size=40), st.floats(10.0, 1_000.0), st.floats(1.0, 100.0))
def test_no_absence_is_proven_sooner_than_the_grace_nor_by_few_replies(pauses, seconds, unseen):
    grace, now = Grace(seconds=seconds, unseen_seconds_max=unseen), 0.0
    watch = watch_missed_at(0.0, grace=grace)
    for replies, pause in enumerate(pauses, start=2):
        now += pause
        grace.missed(watch, now)
        if grace.is_over(watch):
            assert now >= seconds * (1 - 1e-9)
            assert replies > min(PARTS, seconds / max(unseen, seconds / PARTS)) - 1e-6
            return
