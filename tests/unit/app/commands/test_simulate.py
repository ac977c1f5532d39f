import pytest

from relay.app.commands.simulate import chosen
from relay.errors import ConfigError
from relay.simulator import SCENARIOS, Scenario, combine


def test_scenarios_are_chosen_by_repetition_and_by_commas():
    assert chosen(["busy, flaky", "fast"]) == combine(SCENARIOS["busy"], SCENARIOS["flaky"], SCENARIOS["fast"])
    assert chosen([]) == Scenario()


def test_an_unknown_scenario_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no scenario 'clam'; there are .*calm"):
        chosen(["clam,fast"])
