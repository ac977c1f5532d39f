import pytest

from relay.ops.health import STALLED_SECONDS, Health


class Ticks:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def health(ticks):
    return Health(ticks)


def test_nothing_is_wrong_before_the_first_loop_runs(health):
    assert list(health.live()) == []


def test_a_loop_that_goes_on_is_alive_however_long_the_service_runs(health, ticks):
    for _ in range(10):
        health.beat("poller")
        ticks.now += STALLED_SECONDS
    assert list(health.live()) == []


def test_each_loop_that_stands_still_is_named(health, ticks):
    for loop in ("writer", "poller", "housekeeping"):
        health.beat(loop)
    ticks.now += STALLED_SECONDS + 0.1
    health.beat("housekeeping")
    assert list(health.live()) == ["poller has made no progress for 60 s", "writer has made no progress for 60 s"]


def test_a_loop_that_goes_on_again_is_forgiven(health, ticks):
    health.beat("poller")
    ticks.now += 1_000
    assert health.live()
    health.beat("poller")
    assert not health.live()


def test_while_draining_loops_may_end(health, ticks):
    """A restart would cut off what is being recorded."""
    health.beat("poller")
    ticks.now += 1_000
    health.draining = True
    assert list(health.live()) == []


def test_ready_from_the_load_until_the_drain(health):
    assert list(health.ready()) == ["the ledger is being loaded"]
    health.loaded = True
    assert list(health.ready()) == []
    health.draining = True
    assert list(health.ready()) == ["draining"]


def test_standing_still_does_not_make_it_unready(health, ticks):
    """Requests are answered by other loops, and taking the process out of service would help nobody."""
    health.loaded = True
    health.beat("poller")
    ticks.now += 1_000
    assert list(health.ready()) == []


def test_a_loop_that_has_ended_is_not_missed(health, ticks):
    health.beat("poller/3")
    health.forget("poller/3")
    health.forget("never seen")
    ticks.now += STALLED_SECONDS + 0.1
    assert list(health.live()) == []
