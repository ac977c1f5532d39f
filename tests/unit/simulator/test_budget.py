from hypothesis import given
from hypothesis import strategies as st

from relay.simulator.budget import Budget
from relay.simulator.tenants import Tally, Tenants


def test_a_minute_holds_its_limit_and_then_starts_anew():
    budget = Budget()
    spent = [budget.take(second, limit=3).spent for second in (0, 10, 20, 30, 59.9, 60)]
    assert spent == [False, False, False, True, True, False]


def test_remaining_counts_down_and_the_reset_counts_60_to_1():
    budget = Budget()
    readings = [budget.take(at, limit=3) for at in (0.0, 30.0, 59.5)]
    assert [reading.remaining for reading in readings] == [2, 1, 0]
    assert [reading.reset_seconds for reading in readings] == [60, 30, 1]


def test_the_window_is_fixed_and_begins_where_the_account_says():
    budget = Budget(offset_seconds=45.0)
    assert not budget.take(44.0, limit=1).spent
    assert not budget.take(45.0, limit=1).spent
    assert budget.take(104.0, limit=1).spent
    assert not budget.take(105.0, limit=1).spent


def test_other_tenants_drain_the_same_minute():
    tenants = Tenants(requests_per_minute=180)
    assert Budget().take(0.0, limit=200, tenants=tenants).remaining == 199
    assert Budget().take(30.0, limit=200, tenants=tenants).remaining == 109
    assert Budget().take(59.0, limit=200, tenants=tenants).remaining == 22


def test_tenants_are_refused_when_the_minute_is_spent_and_not_tried_again():
    """Ours are the first 100 of 200: of the 180 that come evenly, 80 find nothing left. Alone, none would."""
    budget, tenants = Budget(), Tenants(requests_per_minute=180)
    for _ in range(100):
        budget.take(0.0, limit=200, tenants=tenants)
    assert budget.tally(59.999, limit=200, tenants=tenants) == Tally(requests=179, refused=79)
    assert budget.tally(90.0, limit=200, tenants=tenants) == Tally(requests=270, refused=80)


def test_tenants_who_want_more_than_there_is_are_refused_without_us():
    budget, tenants = Budget(), Tenants(requests_per_minute=300)
    budget.tally(0.0, limit=200, tenants=tenants)
    assert budget.tally(120.0, limit=200, tenants=tenants) == Tally(requests=600, refused=200, refused_alone=200)


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=40),
    st.integers(0, 300),
    st.floats(0, 1),
    st.floats(1, 60),
    st.integers(1, 200),
)
def test_nobody_gets_more_than_the_minute_holds(gaps, demand, spread, within, limit):
    """Requests taken by us and by tenants never exceed the limit of any window; refusals are never negative."""
    budget = Budget(seed="a")
    tenants = Tenants(requests_per_minute=demand, spread=spread, within_seconds=within)
    now, windows = 0.0, {}
    for gap in gaps:
        now += gap
        ours = windows.setdefault(int(now // 60), [0])
        ours[0] += not budget.take(now, limit=limit, tenants=tenants).spent
    tally = budget.tally(now, limit=limit, tenants=tenants)
    taken = sum(ours for (ours,) in windows.values()) + tally.requests - tally.refused
    assert taken <= limit * (now // 60 + 1)
    assert 0 <= tally.refused_alone <= tally.refused <= tally.requests


def test_a_minutes_demand_differs_from_the_next_and_is_the_same_each_time():
    tenants = Tenants(requests_per_minute=1_000, spread=0.3)
    demands = [tenants.demand("a", window) for window in range(200)]
    assert demands == [tenants.demand("a", window) for window in range(200)]
    assert demands != [tenants.demand("b", window) for window in range(200)]
    assert 600 < sorted(demands)[100] < 1_400
    assert min(demands) < 700
    assert max(demands) > 1_400


def test_tenants_come_in_the_first_part_of_the_minute():
    tenants = Tenants(requests_per_minute=90, within_seconds=30.0)
    assert [tenants.arrived(90, elapsed) for elapsed in (0, 10, 30, 60)] == [0, 30, 90, 90]


def test_a_limit_that_changes_counts_from_the_next_request_on():
    budget = Budget()
    assert not budget.take(0.0, limit=1).spent
    assert budget.take(1.0, limit=1).spent
    assert budget.take(2.0, limit=10).remaining == 8
