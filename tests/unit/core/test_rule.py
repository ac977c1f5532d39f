import math
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.rule import (
    EXPECTED_MIN,
    FALLBACK_WEIGHT,
    NO_FORECAST,
    PATIENCE,
    Median,
    Terms,
    accrued,
    expected_seconds,
    work_left,
)

SECONDS = st.floats(0.0, 1e5)
SOME_SECONDS = st.floats(EXPECTED_MIN, 1e5)


class TestAccrued:
    @pytest.mark.parametrize(("unseen", "expected", "delay"), [(0, 10, 0), (5, 10, 1.25), (10, 10, 5), (30, 10, 25)])
    def test_it_is_a_parabola_until_the_change_is_expected_and_then_grows_with_time(self, unseen, expected, delay):
        assert accrued(unseen, expected) == delay

    @given(SECONDS, SECONDS, SOME_SECONDS)
    def test_it_grows_with_time_and_is_never_more_than_the_time_unseen(self, one, other, expected):
        earlier, later = sorted((one, other))
        assert 0.0 <= accrued(earlier, expected) <= accrued(later, expected) * (1 + 1e-9) + 1e-9
        assert accrued(later, expected) <= later

    @given(SECONDS, SOME_SECONDS, SOME_SECONDS)
    def test_the_sooner_a_change_is_expected_the_more_accrues(self, unseen, one, other):
        sooner, later = sorted((one, other))
        assert accrued(unseen, sooner) >= accrued(unseen, later) * (1 - 1e-9) - 1e-9


class TestTerms:
    def test_fresher_is_dearer_in_requests(self):
        assert Terms.fresh(1.0).price < Terms.fresh(2.0).price
        assert Terms.fresh(2.0).unseen_max == 10.0

    def test_the_price_rises_as_the_budget_shrinks(self):
        terms = Terms.fresh(2.0)
        assert terms.price_at(0.1) == terms.price_at(1.0) == terms.price
        assert terms.price_at(20.0) == 10.0

    def test_nobody_is_late_before_a_cycle_through_all_jobs_could_have_come_to_it(self):
        terms = Terms.fresh(2.0)
        assert terms.limits_at(1.0, 3.0) == (10.0, PATIENCE * 10.0)
        assert terms.limits_at(1.0, 1_000.0).plain > 1_000.0


class TestExpectedSeconds:
    def test_a_job_without_progress_is_expected_to_live_as_long_again_or_as_others_do(self):
        assert expected_seconds(NO_FORECAST, 5.0, 7.0, 20.0) == 20.0
        assert expected_seconds(NO_FORECAST, 5.0, 70.0, 20.0) == 70.0

    def test_progress_tells_what_is_left(self):
        assert expected_seconds(0.5, 20.0, 25.0, 20.0) == 10.0

    def test_a_distant_forecast_is_not_believed_blindly(self):
        assert expected_seconds(99.0, 20.0, 25.0, 20.0) == 25.0 / FALLBACK_WEIGHT


class TestWorkLeft:
    def test_the_item_underway_is_half_done(self):
        assert work_left({"progress": 4, "total": 9}) == 1.0

    def test_nothing_is_left_when_all_is_done(self):
        assert work_left({"progress": 9, "total": 9}) == 0.0

    @pytest.mark.parametrize(
        ("progress", "total"),
        [(None, 9), (4, None), (0, 9), (10, 9), (-1, 9), ("4", "9"), (4.0, 9.0), (True, 9), ([], {}), (0, 0)],
    )
    def test_anything_but_a_count_of_items_forecasts_nothing(self, progress, total):
        assert work_left({"progress": progress, "total": total}) == NO_FORECAST

    def test_missing_fields_forecast_nothing(self):
        assert work_left({"status": "working"}) == NO_FORECAST


class TestMedian:
    def test_it_starts_with_what_it_is_told_and_follows_the_first_value(self):
        durations = Median(20.0)
        assert durations.value == 20.0
        durations.add(30.0)
        assert durations.value == pytest.approx(30.0)

    @pytest.mark.parametrize("sigma", [0.1, 1.4])
    def test_it_comes_close_to_the_median_of_what_it_was_told(self, sigma):
        chance, durations = Random(1), Median(20.0)
        values = [chance.lognormvariate(math.log(300.0), sigma) for _ in range(2_000)]
        for value in values:
            durations.add(value)
        assert durations.value == pytest.approx(median(values), rel=0.35)

    def test_one_outlier_does_not_move_it_far(self):
        durations = Median(20.0)
        for value in [30.0] * 100 + [1e6]:
            durations.add(value)
        assert durations.value == pytest.approx(30.0, rel=0.06)

    @given(st.lists(st.floats(-1.0, 1e9)))
    def test_it_stays_a_positive_time(self, values):
        durations = Median(20.0)
        for value in values:
            durations.add(value)
        assert 0.0 < durations.value < math.inf
