import math

import pytest

from relay.core.job import Job
from relay.core.quarantine import (
    ANSWERED_SECONDS_MAX,
    FIRST_SECONDS,
    SILENCE_MAX,
    UNANSWERED_PART,
    UNANSWERED_SECONDS_MAX,
    Quarantine,
    begin_look,
)
from relay.core.watch import Apart, Watch
from relay.core.zendesk import Endpoint


def watch_apart(since=0.0):
    watch = Watch(Job(account="acme", id="V3-1", tracked_at=1.0))
    watch.apart = Apart(since)
    return watch


def waits(watch, now, answered_seconds_max=math.inf):
    quarantine = Quarantine()
    quarantine.put(watch, now, answered_seconds_max)
    return quarantine.due_at() - now


@pytest.mark.parametrize("age", [0.0, 1.0, 4.0, 8.0, 50.0])
def test_it_waits_as_long_again_as_it_has_been_apart(age):
    watch = watch_apart()
    watch.apart.answered = True
    assert waits(watch, age) == max(age, FIRST_SECONDS)


def test_one_of_which_something_is_told_waits_a_minute_at_most():
    watch = watch_apart()
    watch.apart.answered = True
    assert waits(watch, 80_000.0) == ANSWERED_SECONDS_MAX
    assert waits(watch, 80_000.0, 30.0) == 30.0
    assert waits(watch, 80_000.0, 0.1) == FIRST_SECONDS


def test_one_of_which_nothing_is_told_waits_for_a_part_of_the_time_that_this_has_lasted():
    """It may have met nothing but passing troubles: ten looks in the first minute, before they become rare."""
    watch = watch_apart()
    assert waits(watch, 80_000.0, 30.0) == UNANSWERED_SECONDS_MAX
    watch.looked_at = 79_900.0
    assert waits(watch, 80_000.0) == 100.0 * UNANSWERED_PART
    now, looks = 0.0, 0
    watch = watch_apart()
    while now < 60.0:
        now, looks = now + waits(watch, now), looks + 1
    assert looks == 10


def test_one_whose_looks_silence_the_account_is_looked_at_all_the_more_rarely():
    watch = watch_apart()
    watch.apart.silenced_seconds = 60.0
    assert waits(watch, 10.0) == 60.0 / SILENCE_MAX
    begin_look(watch.apart, overdue=False)
    assert waits(watch, 40.0) == 10.0, "the next look may be another matter"


def test_one_that_fails_while_everything_does_is_looked_at_soon_again():
    quarantine, watch = Quarantine(), watch_apart()
    quarantine.excuse(watch, 80_000.0)
    assert quarantine.due_at() == 80_000.0 + FIRST_SECONDS
    assert watch.asked_at == 80_000.0


def test_the_first_that_is_due_is_taken_first_and_who_has_ended_not_at_all():
    quarantine = Quarantine()
    late, soon, ended = watch_apart(), watch_apart(60.0), watch_apart(99.0)
    for watch in (late, soon, ended):
        quarantine.put(watch, 100.0, math.inf)
    ended.ended = True
    assert set(quarantine) == {late, soon}
    quarantine.forget_ended()
    assert [quarantine.take(), quarantine.take()] == [soon, late]
    assert quarantine.due_at() == math.inf


def test_show_many_is_tried_ever_more_rarely():
    apart = Apart(0.0)
    calls = [begin_look(apart, overdue=False) for _ in range(40)]
    assert [number for number, call in enumerate(calls, 1) if call is Endpoint.SHOW_MANY] == [1, 2, 4, 8, 16, 32]


def test_the_last_word_on_an_absence_is_show_manys_where_it_is_to_be_had():
    apart = Apart(0.0)
    apart.looks, apart.answered = 4, True
    assert begin_look(apart, overdue=True) is Endpoint.SHOW_MANY
    assert begin_look(apart, overdue=True) is Endpoint.SHOW, "it did not answer"
