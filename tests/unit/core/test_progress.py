from relay.core.progress import Progress


def looked(*looks):
    """Looks at one partition, as (position, end, now)."""
    progress = Progress()
    for position, end, now in looks:
        progress.look({0: position}, {0: end}, now)
    return progress


def test_before_the_first_look_nothing_stands_still():
    assert Progress().still_seconds(1_000.0) == 0


def test_who_has_read_everything_does_not_stand_still():
    assert looked((5, 5, 0), (5, 5, 100)).still_seconds(500) == 0


def test_who_has_something_to_read_and_moves_on_does_not_stand_still_for_long():
    assert looked((1, 9, 0), (2, 9, 10), (3, 9, 20)).still_seconds(25) == 5


def test_who_has_something_to_read_and_does_not_move_stands_still_since_it_was_seen():
    assert looked((3, 3, 0), (3, 9, 10), (3, 9, 20)).still_seconds(70) == 60


def test_to_have_read_everything_at_last_ends_it():
    assert looked((3, 9, 0), (3, 9, 50), (9, 9, 60)).still_seconds(500) == 0


def test_one_partition_that_moves_does_not_hide_one_that_stands_still():
    progress = Progress()
    for now in range(0, 100, 10):
        progress.look({0: now, 1: 4}, {0: 1_000, 1: 5}, now)
    assert progress.still_seconds(100) == 100


def test_an_excuse_starts_the_clock_anew():
    progress = looked((3, 9, 0), (3, 9, 50))
    progress.excuse()
    assert progress.still_seconds(500) == 0
    progress.look({0: 3}, {0: 9}, 500)
    assert progress.still_seconds(510) == 10


def test_a_partition_whose_end_is_not_known_does_not_count():
    progress = Progress()
    progress.look({0: 3}, {}, 0)
    assert progress.still_seconds(500) == 0
