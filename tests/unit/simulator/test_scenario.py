from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relay.simulator.denials import Unauthorized
from relay.simulator.faults import Resets
from relay.simulator.scenario import Memory, Scenario, combine
from relay.simulator.scenarios import SCENARIOS

names = st.sampled_from(sorted(SCENARIOS))


def test_combining_nothing_or_calm_changes_nothing():
    assert combine() == combine(SCENARIOS["calm"]) == Scenario()


def test_each_scenario_alone_is_itself():
    assert all(combine(scenario) == scenario for scenario in SCENARIOS.values())


def test_faults_add_up_and_other_changes_stay():
    both = combine(SCENARIOS["resets"], SCENARIOS["mixed"], SCENARIOS["unauthorized"])
    assert [type(fault) for fault in both.faults] == [Resets, Unauthorized]
    assert both.fates == SCENARIOS["mixed"].fates


def test_the_later_of_two_changes_wins_and_an_unchanged_field_does_not_count():
    both = combine(SCENARIOS["fast"], SCENARIOS["busy"], SCENARIOS["calm"])
    assert both.requests_per_minute == 200
    assert both.pace == SCENARIOS["fast"].pace


def test_what_changes_different_parts_of_one_value_combines():
    both = combine(SCENARIOS["flickering"], SCENARIOS["stale-show"])
    assert both.memory == Memory(flicker=0.2, show_lag_seconds=20.0)


@given(names, names, names)
def test_combining_is_associative(a, b, c):
    a, b, c = SCENARIOS[a], SCENARIOS[b], SCENARIOS[c]
    assert combine(combine(a, b), c) == combine(a, combine(b, c)) == combine(a, b, c)


def test_what_a_scenario_says_of_itself_makes_no_difference():
    assert replace(Scenario(), about="something else") == Scenario()
