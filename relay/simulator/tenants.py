"""The other integrations of an account: they use up its minute, and are refused when it is spent."""

from dataclasses import dataclass
from random import Random

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """What they want of each minute. They do not come again after a refusal.

    `spread`: sigma of the logarithm of one minute's demand, 0 for the same each minute. `within_seconds`: in how much
    of the minute, from its start, the demand arrives.
    """

    requests_per_minute: int = 0
    spread: float = 0.0
    within_seconds: float = 60.0

    def demand(self, seed: str, window: int) -> int:
        """Requests in this minute; the same each time it is asked."""
        if not self.spread:
            return self.requests_per_minute
        return round(self.requests_per_minute * Random(f"{seed}/{window}").lognormvariate(0.0, self.spread))

    def arrived(self, demand: int, elapsed: float) -> int:
        """How many of a minute's requests have come when so many seconds of it are over."""
        return int(demand * min(1.0, elapsed / self.within_seconds))


NO_TENANTS = Tenants()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The tenants' requests since the minute in which the account was first asked. `refused`: with 429.

    `refused_alone`: of these, as many as they would have met with the account to themselves. The difference is the harm
    done to them.
    """

    requests: int = 0
    refused: int = 0
    refused_alone: int = 0
