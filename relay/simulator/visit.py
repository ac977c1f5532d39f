"""One request at one account, with everything an endpoint needs to answer it."""

from dataclasses import dataclass

from relay.simulator.account import Account
from relay.simulator.answer import Request
from relay.simulator.routing import Routed
from relay.simulator.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`api_url`: where the account's API lives, ending in `/api/v2`. `now`: seconds since the epoch."""

    account: Account
    scenario: Scenario
    request: Request
    routed: Routed
    now: float
    api_url: str
