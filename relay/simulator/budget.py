"""Zendesk's account-wide rate limit: so many requests in each fixed minute, whoever makes them."""

from dataclasses import dataclass
from math import ceil

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The limit as it stands after one request. `reset_seconds` counts 60…1. `spent`: the request was refused."""

    limit: int
    remaining: int
    reset_seconds: int
    spent: bool

    def headers(self) -> dict[str, str]:
        """In the spellings always seen (X-Rate-Limit…) and those of 2024 (ratelimit-…)."""
        limit, remaining = str(self.limit), str(self.remaining)
        return {
            "X-Rate-Limit": limit,
            "X-Rate-Limit-Remaining": remaining,
            "ratelimit-limit": limit,
            "ratelimit-remaining": remaining,
            "ratelimit-reset": str(self.reset_seconds),
        }


class Budget:
    """`tenant_requests`: what other integrations of the account use up, evenly over each minute.

    `offset_seconds`: when in the minute this account's window begins.
    """

    def __init__(self, *, limit: int, tenant_requests: int = 0, offset_seconds: float = 0.0) -> None:
        self._limit = limit
        self._tenant_requests = tenant_requests
        self._offset = offset_seconds
        self._window = 0.0
        self._used = 0

    def take(self, now: float) -> Reading:
        """One more request. A refused one costs nothing."""
        window, elapsed = divmod(now - self._offset, WINDOW_SECONDS)
        if window != self._window:
            self._window, self._used = window, 0
        free = self._limit - self._used - int(self._tenant_requests * elapsed / WINDOW_SECONDS)
        spent = free <= 0
        if not spent:
            self._used += 1
        return Reading(
            limit=self._limit,
            remaining=max(0, free - 1),
            reset_seconds=max(1, ceil(WINDOW_SECONDS - elapsed)),
            spent=spent,
        )
