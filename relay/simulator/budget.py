"""Zendesk's account-wide rate limit: so many requests in each fixed minute, whoever makes them."""

from dataclasses import dataclass
from math import ceil

from relay.simulator.tenants import NO_TENANTS, WINDOW_SECONDS, Tally, Tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The limit as it stands after one request. `reset_seconds` counts 60…1. `spent`: the request was refused."""

    limit: int
    remaining: int
    reset_seconds: int
    spent: bool


class Budget:
    """`seed`: for the tenants' demand. `offset_seconds`: when in the minute this account's window begins.

    Times never decrease. The limit and the tenants may change at any moment.
    """

    def __init__(self, *, seed: str = "", offset_seconds: float = 0.0) -> None:
        self._seed = seed
        self._offset = offset_seconds
        self._window: int | None = None
        self._used = 0
        self._demand = self._arrived = 0
        self._requests = self._refused = self._refused_alone = 0

    def take(self, now: float, *, limit: int, tenants: Tenants = NO_TENANTS) -> Reading:
        """One more request. A refused one costs nothing."""
        elapsed = self._advance(now, limit, tenants)
        free = limit - self._used
        spent = free <= 0
        if not spent:
            self._used += 1
        return Reading(
            limit=limit,
            remaining=max(0, free - 1),
            reset_seconds=max(1, ceil(WINDOW_SECONDS - elapsed)),
            spent=spent,
        )

    def tally(self, now: float, *, limit: int, tenants: Tenants) -> Tally:
        """How the tenants fared until now."""
        self._advance(now, limit, tenants)
        return Tally(
            requests=self._requests,
            refused=self._refused,
            refused_alone=self._refused_alone + max(0, self._arrived - limit),
        )

    def _advance(self, now: float, limit: int, tenants: Tenants) -> float:
        """Let the tenants' requests arrive until now. Returns the seconds of this window that are over."""
        number, elapsed = divmod(now - self._offset, WINDOW_SECONDS)
        window = int(number)
        if self._window is None:
            self._open(window, tenants)
        while self._window is not None and self._window < window:
            self._arrive(WINDOW_SECONDS, limit, tenants)
            self._refused_alone += max(0, self._arrived - limit)
            self._open(self._window + 1 if tenants.requests_per_minute else window, tenants)
        if self._demand:
            self._arrive(elapsed, limit, tenants)
        return elapsed

    def _open(self, window: int, tenants: Tenants) -> None:
        self._window = window
        self._used = self._arrived = 0
        self._demand = tenants.demand(self._seed, window)

    def _arrive(self, elapsed: float, limit: int, tenants: Tenants) -> None:
        fresh = max(0, tenants.arrived(self._demand, elapsed) - self._arrived)
        taken = min(fresh, max(0, limit - self._used))
        self._arrived += fresh
        self._used += taken
        self._requests += fresh
        self._refused += fresh - taken
