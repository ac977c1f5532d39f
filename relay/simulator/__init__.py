"""A Zendesk stand-in for demos, tests and users' own integration tests: a pure model under a thin HTTP face."""

from relay.simulator.model import Simulator
from relay.simulator.scenario import Scenario, combine
from relay.simulator.scenarios import SCENARIOS
from relay.simulator.server import application, serve
from relay.simulator.traffic import Sample, sample_traffic

__all__ = ["SCENARIOS", "Sample", "Scenario", "Simulator", "application", "combine", "sample_traffic", "serve"]
