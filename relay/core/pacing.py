"""How much of an account's rate limit relay takes: `Pacer.next_at` says when one more request may go.

Three bounds at once. Our own ceiling, kept by spacing, without bursts. A share of what the account has left above the
reserve, learned from the headers of every reply (fixed windows of 60 s). Any wait that Zendesk or trouble imposed.
All times are monotonic seconds; what must survive a restart is the end of a wait, which the shard commits.
"""

import math
from dataclasses import dataclass

from relay.core.zendesk import RateHeaders

WINDOW_SECONDS = 60.0
RETRY_SECONDS_MIN = 1.0
RETRY_SECONDS_MAX = 60.0
DENIED_SECONDS_MIN = 10.0
DENIED_SECONDS_MAX = 300.0
RATE_LIMITED_SECONDS = 30.0  # a 429 that does not say how long: half a window
IN_FLIGHT_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What relay may take. Requests per minute; `reserve`: part of the limit left to others; `share`: of the rest."""

    max_requests_per_minute: float = 60.0
    reserve: float = 0.25
    share: float = 0.25
    floor_requests_per_minute: float = 1.0


class Pacer:
    """The budget of one account in one process, which comes to life at `now` and spends nothing before one gap."""

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.limit: int | None = None
        self.remaining: int | None = None
        self._window_ends = now
        self._sent_at = now
        self._in_flight = 0
        self._heard_once = False
        self._waits_until = now
        self._stumbles = 0

    def next_at(self, now: float) -> float:
        """The earliest moment for one more request; infinity while an answer must come first."""
        in_flight_max = IN_FLIGHT_MAX if self._heard_once and not self._stumbles else 1
        if self._in_flight >= in_flight_max:
            return math.inf
        return max(self._waits_until, self._sent_at + self._gap(now))

    def _gap(self, now: float) -> float:
        gap = WINDOW_SECONDS / self.rate.max_requests_per_minute
        if self.remaining is None or self.limit is None or now >= self._window_ends:
            return gap
        left = self._window_ends - now
        spare = self.rate.share * (self.remaining - self.rate.reserve * self.limit)
        floor_gap = WINDOW_SECONDS / self.rate.floor_requests_per_minute
        wanted = left / spare if spare > 0 else math.inf
        # The next window brings a new budget; no reason to sleep beyond its start.
        return max(gap, min(wanted, floor_gap, max(self._window_ends - self._sent_at, 0.0)))

    def sent(self, now: float) -> None:
        """A request goes out: counted until the reply tells the truth."""
        self._sent_at = now
        self._in_flight += 1
        if self.remaining is not None:
            self.remaining = max(self.remaining - 1, 0)

    def heard(self, rate: RateHeaders, now: float) -> None:
        """A request ended, with these headers; with none where there was no reply."""
        self._in_flight -= 1
        self._heard_once = True
        if rate.remaining is None:
            return
        # Replies may overtake each other: within a window the lowest number is the newest.
        same_window = now < self._window_ends and self.remaining is not None and rate.reset_seconds is None
        jumped_up = self.remaining is not None and rate.remaining > self.remaining + IN_FLIGHT_MAX
        if rate.reset_seconds is not None:
            self._window_ends = now + min(rate.reset_seconds, WINDOW_SECONDS)
        elif not same_window or jumped_up:
            self._window_ends = now + WINDOW_SECONDS
        self.remaining = max(rate.remaining - self._in_flight, 0)
        self.limit = max(rate.remaining, self.limit or 0) if rate.limit is None else rate.limit

    def wait_until(self, moment: float) -> None:
        """No request before this moment, whatever else holds."""
        self._waits_until = max(self._waits_until, moment)

    def succeeded(self) -> None:
        self._stumbles = 0

    def rate_limited(self, retry_after_seconds: float | None, now: float, jitter: float) -> float:
        """Zendesk said 429. Returns the moment before which nothing is sent. `jitter` in [0, 1)."""
        wait = RATE_LIMITED_SECONDS if retry_after_seconds is None else max(retry_after_seconds, RETRY_SECONDS_MIN)
        return self._stumble(wait + jitter, now)

    def denied(self, now: float, jitter: float) -> float:
        """Zendesk does not accept the credentials: asked again, ever more rarely."""
        return self._stumble(_backoff(DENIED_SECONDS_MIN, DENIED_SECONDS_MAX, self._stumbles, jitter), now)

    def failed(self, retry_after_seconds: float | None, now: float, jitter: float) -> float:
        """No usable reply: outage, timeout, garbage."""
        wait = _backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX, self._stumbles, jitter)
        return self._stumble(max(wait, retry_after_seconds or 0.0), now)

    def _stumble(self, wait: float, now: float) -> float:
        self._stumbles += 1
        self.wait_until(now + wait)
        return self._waits_until

    @property
    def waits_until(self) -> float:
        return self._waits_until


def _backoff(first: float, most: float, stumbles: int, jitter: float) -> float:
    """Doubling from `first` to `most`, the upper half spread by jitter so that accounts do not march in step."""
    wait = min(most, first * 2.0 ** min(stumbles, 16))
    return wait * (0.5 + 0.5 * jitter) if stumbles else wait
