from hypothesis import given
from hypothesis import strategies as st

from relay.simulator.budget import Budget


def test_each_request_takes_one_of_the_minute():
    budget = Budget(limit=3)
    readings = [budget.take(0.0) for _ in range(4)]
    assert [reading.remaining for reading in readings] == [2, 1, 0, 0]
    assert [reading.spent for reading in readings] == [False, False, False, True]


def test_the_window_is_fixed_and_refills_at_once():
    """Not sliding: what was used in second 59 is forgotten in second 60."""
    budget = Budget(limit=2)
    budget.take(59.0)
    budget.take(59.5)
    assert budget.take(59.9).spent
    assert budget.take(60.0).remaining == 1


def test_the_reset_counts_down_from_sixty_to_one():
    budget = Budget(limit=100, offset_seconds=5.0)
    assert [budget.take(at).reset_seconds for at in (5.0, 5.5, 35.0, 64.9, 65.0)] == [60, 60, 30, 1, 60]


def test_other_tenants_drain_the_same_limit_over_the_minute():
    budget = Budget(limit=100, tenant_requests=90)
    assert budget.take(0.0).remaining == 99
    assert budget.take(30.0).remaining == 100 - 45 - 2
    assert budget.take(59.9).remaining == 100 - 89 - 3


def test_tenants_can_take_all_of_it():
    assert Budget(limit=100, tenant_requests=500).take(30.0).spent


def test_headers_come_in_the_recorded_spellings():
    assert Budget(limit=700).take(0.0).headers() == {
        "X-Rate-Limit": "700",
        "X-Rate-Limit-Remaining": "699",
        "ratelimit-limit": "700",
        "ratelimit-remaining": "699",
        "ratelimit-reset": "60",
    }


@given(st.lists(st.floats(0, 600), max_size=300).map(sorted), st.integers(0, 50), st.integers(0, 100))
def test_no_minute_grants_more_than_the_limit(times, limit, tenants):
    budget = Budget(limit=limit, tenant_requests=tenants)
    granted = [int(at // 60) for at in times if not budget.take(at).spent]
    assert all(granted.count(minute) <= limit for minute in set(granted))
