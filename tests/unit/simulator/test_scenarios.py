"""Each variant of Zendesk's behaviour has a name, a line for people, and a value of its own."""

import re
from pathlib import Path

import pytest

from relay.simulator.endpoints import ENDPOINTS
from relay.simulator.scenarios import SCENARIOS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_can_be_named_on_a_command_line_and_says_what_it_is(name):
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name)
    assert 10 <= len(SCENARIOS[name].about) <= 80


def test_no_two_scenarios_are_the_same():
    assert len(set(map(repr, SCENARIOS.values()))) == len(SCENARIOS)
    for name, scenario in SCENARIOS.items():
        assert [other for other in SCENARIOS if SCENARIOS[other] == scenario] == [name]


def test_scenarios_can_be_used_in_sets():
    """Frozen all the way down."""
    assert len(set(SCENARIOS.values())) == len(SCENARIOS)


def test_the_document_tells_exactly_these_scenarios():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert dict(rows) == {name: scenario.about for name, scenario in SCENARIOS.items()}
    assert len(rows) == len(SCENARIOS)


def test_the_document_tells_exactly_these_endpoints():
    told = re.findall(r"^(POST|PUT|DELETE) +/api/v2/(\S+)$", DOCUMENT, re.MULTILINE)
    assert told == [(endpoint.method, endpoint.path.replace("*", "{id}")) for endpoint in ENDPOINTS]


@pytest.mark.parametrize("example", re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_the_examples_of_the_document_run(example):
    exec(compile(example, "docs/simulator.md", "exec"), {})
