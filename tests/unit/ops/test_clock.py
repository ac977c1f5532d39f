import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.ops.clock import SLEW, SystemClock

DAY = 86_400.0


class Times:
    """Both of the machine's clocks, moved by hand."""

    def __init__(self):
        self.system = 1_700_000_000.0
        self.monotonic = 50.0

    def pass_by(self, seconds):
        self.system += seconds
        self.monotonic += seconds

    def clock(self):
        return SystemClock(system=lambda: self.system, monotonic=lambda: self.monotonic)


def test_while_nobody_sets_the_system_clock_both_agree():
    times = Times()
    clock = times.clock()
    for seconds in (0.0, 0.001, 5.0, 3_600.0):
        times.pass_by(seconds)
        assert clock.now() == pytest.approx(times.system, abs=1e-6)
        assert (clock.system(), clock.monotonic()) == (times.system, times.monotonic)


@pytest.mark.parametrize("jump", [DAY, -DAY, 30.0, -30.0])
def test_a_system_clock_that_is_set_moves_ours_by_a_tenth_of_the_time_that_passes(jump):
    """So a jump by a day neither expires every job nor sends every waiting delivery at once."""
    times = Times()
    clock = times.clock()
    before = clock.now()
    times.system += jump
    assert clock.now() == before
    times.pass_by(100.0)
    assert clock.now() - before == pytest.approx(100.0 + SLEW * max(-100.0, min(100.0, jump / SLEW)))


@pytest.mark.parametrize("jump", [30.0, -30.0])
def test_it_gets_there(jump):
    times = Times()
    clock = times.clock()
    times.system += jump
    for _ in range(40):
        times.pass_by(10.0)
        clock.now()
    assert clock.now() == pytest.approx(times.system, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1_000), st.floats(-2 * DAY, 2 * DAY))))
def test_it_never_goes_back_and_never_faster_than_the_slew(steps):
    times = Times()
    clock = times.clock()
    before = clock.now()
    for seconds, jump in steps:
        times.pass_by(seconds)
        times.system += jump
        now = clock.now()
        assert (1 - SLEW) * seconds - 1e-5 <= now - before <= (1 + SLEW) * seconds + 1e-5
        before = now


async def test_by_default_it_is_the_machines_time():
    clock = SystemClock()
    assert clock.now() == pytest.approx(time.time(), abs=5)
    assert clock.monotonic() == pytest.approx(time.monotonic(), abs=5)
    began = asyncio.get_running_loop().time()
    await clock.sleep(0.01)
    assert asyncio.get_running_loop().time() - began >= 0.009
