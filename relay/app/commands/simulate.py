"""`relay simulate`: a Zendesk stand-in on a port, until a signal ends it."""

from collections.abc import Iterable, Sequence

from relay.app import process
from relay.app.terminal import console, say
from relay.config.addresses import ListenAddress
from relay.errors import ConfigError
from relay.simulator import SCENARIOS, Scenario, Simulator, combine, serve

STARTED = """\
a Zendesk stand-in listens on {url}   (Ctrl-C ends it)

start a job as Zendesk does, and look at it:
  curl -H 'Authorization: Bearer {token}' -d '{{"tickets": [{{}}, {{}}]}}' \\
       {url}/api/v2/tickets/create_many.json
  curl -H 'Authorization: Bearer {token}' {url}/api/v2/job_statuses

start sample jobs, past all limits:
  curl -d '{{"count": 5, "items": 20}}' {url}/simulator/jobs

see what became of them, whatever the API says, and who asked for what:
  curl {url}/simulator/truth
  curl {url}/simulator/requests

further accounts live under {url}/accounts/<name>\
"""


def run(*, host: str, port: int, scenarios: Sequence[str], seed: int, token: str | None, only_list: bool) -> int:
    """Raises ConfigError: an unknown scenario, or an address that is taken."""
    if only_list:
        for name, scenario in SCENARIOS.items():
            say(console(), f"{name:<16} {scenario.about}")
        return 0
    simulator = Simulator(seed=seed, scenario=chosen(scenarios), token=token)
    # A token that was given is the user's secret and stays unsaid.
    process.run_until_signal(_simulate(simulator, host, port, shown_token="demo" if token is None else "<token>"))
    return 0


def chosen(names: Iterable[str]) -> Scenario:
    """The scenarios of these names, each maybe several separated by commas, as one. Raises ConfigError."""
    single = [one.strip() for name in names for one in name.split(",")]
    unknown = [name for name in single if name not in SCENARIOS]
    if unknown:
        raise ConfigError(f"there is no scenario {', '.join(map(repr, unknown))}; there are {', '.join(SCENARIOS)}")
    return combine(*(SCENARIOS[name] for name in single))


async def _simulate(simulator: Simulator, host: str, port: int, shown_token: str) -> None:
    stop = process.stop_signal()
    try:
        async with serve(simulator, host=host, port=port) as bound:
            say(console(), STARTED.format(url=f"http://{ListenAddress(host=host, port=bound)}", token=shown_token))
            await stop.wait()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from error
