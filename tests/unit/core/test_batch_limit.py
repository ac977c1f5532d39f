import math

from hypothesis import given
from hypothesis import strategies as st

from relay.core.batch_limit import LARGER_SECONDS, BatchLimit
from relay.core.zendesk import IDS_MAX

UNKNOWN = BatchLimit()


def test_nothing_is_known_at_first():
    assert UNKNOWN.size(0.0) == IDS_MAX
    assert UNKNOWN.sent(IDS_MAX, 0.0) == UNKNOWN.answered(IDS_MAX, 0.0) == UNKNOWN


def test_what_zendesk_says_holds_at_once():
    assert UNKNOWN.told(40, 0.0).size(1.0) == 40
    assert UNKNOWN.told(40, 0.0).told(30, 1.0).size(2.0) == 30
    assert UNKNOWN.told(5_000, 0.0).size(1.0) == IDS_MAX


def test_a_larger_request_is_tried_once_an_hour_whatever_comes_of_it():
    limit = UNKNOWN.told(20, 0.0)
    assert limit.size(LARGER_SECONDS - 1) == 20
    assert limit.size(LARGER_SECONDS) == 40
    assert limit.sent(20, LARGER_SECONDS) is limit, "nothing was tried with so few"
    tried = limit.sent(25, LARGER_SECONDS)
    assert (tried.size(LARGER_SECONDS), tried.size(2 * LARGER_SECONDS)) == (20, 40)


def test_what_is_taken_is_usual_from_then_on_and_more_is_tried_at_once():
    limit = UNKNOWN.told(20, 0.0).sent(40, LARGER_SECONDS).answered(40, LARGER_SECONDS)
    assert limit.ids_max == 40
    assert limit.size(LARGER_SECONDS) == 80
    full = limit.answered(80, LARGER_SECONDS).answered(IDS_MAX, LARGER_SECONDS)
    assert full == UNKNOWN


def test_one_request_that_is_taken_in_parts_only_proves_nothing_two_in_a_row_do():
    once = UNKNOWN.taken_in_parts(100, 25, 0.0)
    assert once.size(1.0) == IDS_MAX
    assert once.taken_in_parts(100, 25, 1.0).size(2.0) == 25
    assert once.answered(100, 1.0).taken_in_parts(100, 25, 2.0).size(3.0) == IDS_MAX, "as many were taken meanwhile"
    assert once.answered(99, 1.0).taken_in_parts(100, 25, 2.0).size(3.0) == 25, "fewer tell nothing"


def test_parts_of_a_larger_request_that_was_tried_do_not_raise_what_is_usual():
    limit = UNKNOWN.told(20, 0.0).taken_in_parts(40, 30, 1.0).taken_in_parts(40, 30, 2.0)
    assert limit.size(3.0) == 20


CHANGES = st.one_of(
    st.tuples(st.just("told"), st.integers(1, 200)),
    st.tuples(st.just("answered"), st.integers(1, IDS_MAX)),
    st.tuples(st.just("sent"), st.integers(1, IDS_MAX)),
    st.tuples(st.just("taken_in_parts"), st.integers(2, IDS_MAX), st.integers(1, IDS_MAX)),
)


@given(st.lists(CHANGES, max_size=30))
def test_whatever_happens_a_request_holds_somebody_and_no_more_than_ever(changes):
    limit = UNKNOWN
    for number, (change, *sizes) in enumerate(changes):
        limit = getattr(limit, change)(*sizes, 600.0 * number)
        assert 1 <= limit.ids_max <= limit.size(600.0 * number) <= IDS_MAX
        assert math.isfinite(limit.larger_at) or limit.ids_max == IDS_MAX or limit.larger_at == math.inf
