from relay.simulator.faults import Throttles, Unauthorized
from relay.simulator.scenario import SCENARIOS, Scenario, combine


def test_combining_nothing_or_calm_changes_nothing():
    assert combine() == combine(SCENARIOS["calm"]) == Scenario()


def test_each_scenario_alone_is_itself():
    assert all(combine(scenario) == scenario for scenario in SCENARIOS.values())


def test_faults_add_up_and_other_changes_stay():
    both = combine(SCENARIOS["limited"], SCENARIOS["mixed"], SCENARIOS["unauthorized"])
    assert [type(fault) for fault in both.faults] == [Throttles, Unauthorized]
    assert both.fates == SCENARIOS["mixed"].fates


def test_the_later_of_two_changes_wins_and_an_unchanged_field_does_not_count():
    both = combine(SCENARIOS["fast"], SCENARIOS["busy"], SCENARIOS["calm"])
    assert both.requests_per_minute == 200
    assert both.pace == SCENARIOS["fast"].pace
