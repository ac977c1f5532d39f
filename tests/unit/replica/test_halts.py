"""What was asked of sinks, until every partition shows it."""

from relay.core.commands import Pause, Resume
from relay.replica.halts import Halts

PAUSE, RESUME = Pause(sink="orders", since=7.0), Resume(sink="orders")


def test_it_is_found_in_each_partition_until_that_shows_it():
    halts = Halts()
    halts.put(PAUSE, {0: 4, 1: 9})
    halts.shown({0: 5, 1: 9})
    assert [halts.find("orders", number) for number in (0, 1, 2)] == [None, PAUSE, None]
    assert halts.find("other", 1) is None
    halts.shown({1: 10})
    assert halts.find("orders", 1) is None


def test_the_newest_counts():
    halts = Halts()
    halts.put(PAUSE, {0: 4})
    halts.put(RESUME, {0: 5})
    halts.shown({0: 5})
    assert halts.find("orders", 0) == RESUME


def test_a_partition_of_which_nothing_is_known_shows_nothing():
    halts = Halts()
    halts.put(PAUSE, {0: 0})
    halts.shown({})
    assert halts.find("orders", 0) == PAUSE
