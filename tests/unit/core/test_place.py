import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.job import Event, EventType, Job
from relay.core.place import merged, spread, turn
from relay.core.record import EventPage
from relay.errors import CursorExpired


def event(position, detected_at):
    job = Job(account="acme", id=f"V3-{position}", tracked_at=0.0)
    return job, Event(
        type=EventType.STARTED,
        sequence=1,
        detected_at=detected_at,
        previous_status=None,
        metadata=b"{}",
        position=position,
    )


def page(*events, reached, more=False):
    return EventPage(events=[event(*one) for one in events], reached=reached, more=more)


def test_each_event_is_told_with_the_place_after_it_and_the_page_with_all_that_was_looked_at():
    found = merged((4, 0, 9), {0: page((5, 2.0), (7, 3.0), reached=8), 1: page((1, 2.5), reached=1)}, more=False)
    assert [(placed.event.position, placed.place) for placed in found.events] == [
        (5, (5, 0, 9)),
        (1, (5, 1, 9)),
        (7, (7, 1, 9)),
    ]
    assert (found.reached, found.more) == ((8, 1, 9), False)


@pytest.mark.parametrize(("here", "elsewhere"), [(True, False), (False, True)])
def test_there_is_more_where_any_partition_has_more(here, elsewhere):
    assert merged((0, 0), {0: page(reached=1, more=here)}, more=elsewhere).more


def test_nothing_read_is_nothing_reached():
    found = merged((3, 4), {}, more=False)
    assert (list(found.events), found.reached, found.more) == ([], (3, 4), False)


def test_a_single_position_is_spread_over_all_partitions_and_any_other_place_must_fit():
    assert spread((7,), 3) == (7, 7, 7)
    assert spread((7,), 1) == (7,)
    assert spread((1, 2, 3), 3) == (1, 2, 3)
    for place, partitions in (((1, 2), 3), ((1, 2), 1), ((), 2)):
        with pytest.raises(CursorExpired):
            spread(place, partitions)


@given(st.integers(1, 30), st.integers(1, 10))
def test_where_more_partitions_wait_than_a_page_has_room_for_each_has_its_turn(partitions, limit):
    """None of them ever runs dry, so that which are read first matters."""
    after, read = [0] * partitions, set()
    for _ in range(2 * partitions):
        chosen = turn(range(partitions), tuple(after), limit)
        assert 0 < len(chosen) == min(limit, partitions)
        read |= set(chosen)
        for number in chosen:
            after[number] += 1
    assert read == set(range(partitions))
