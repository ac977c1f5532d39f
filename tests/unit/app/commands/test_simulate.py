import pytest

from relay.app.commands.simulate import chosen, run
from relay.errors import ConfigError
from relay.simulator import SCENARIOS, Scenario, combine


def test_scenarios_are_chosen_by_repetition_and_by_commas():
    assert chosen(["busy, flaky", "fast"]) == combine(SCENARIOS["busy"], SCENARIOS["flaky"], SCENARIOS["fast"])
    assert chosen([]) == Scenario()


def test_an_unknown_scenario_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no scenario 'clam'; there are .*calm"):
        chosen(["clam,fast"])


def test_every_scenario_is_listed_with_what_it_is_about(capsys):
    run(host="", port=0, scenarios=[], seed=1, token=None, only_list=True)
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines.keys() == SCENARIOS.keys()
