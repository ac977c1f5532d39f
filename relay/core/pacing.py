"""How much of an account's rate limit relay takes: `Pacer.next_at` says when one more request may go.

Three bounds at once. Our own ceiling, kept by spacing, without bursts. A share of what the account has left above the
reserve, or above what others are on course to use if that is more, learned from the headers of every reply (fixed
windows of 60 s). Any wait that Zendesk or trouble imposed.
All times are monotonic seconds; what must survive a restart is the end of a wait, which the shard commits.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto

from relay.core.zendesk import RateHeaders

WINDOW_SECONDS = 60.0
CEILING_WINDOW_SECONDS = 60.5  # requests do not all travel equally fast: a minute of theirs may be shorter than ours
RETRY_SECONDS_MIN = 1.0
RETRY_SECONDS_MAX = 60.0
DENIED_SECONDS_MIN = 10.0
DENIED_SECONDS_MAX = 300.0
RATE_LIMITED_SECONDS = 30.0  # a 429 that does not say how long: half a window
OTHERS_SECONDS_MIN = 5.0  # of what the others do, before it is taken for their habit
IN_FLIGHT_MAX = 8
PLAN_LIMITS = (10, 200, 400, 700, 2_500)  # documented requests per minute, for replies that tell only what remains


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What relay may take. Requests per minute; `reserve`: part of the limit left to others; `share`: of the rest.

    `floor_requests_per_minute`: taken even where nothing is left above the reserve. With 0, only the one request
    that finds out how a new window stands.
    """

    max_requests_per_minute: float = 60.0
    reserve: float = 0.25
    share: float = 0.25
    floor_requests_per_minute: float = 1.0


class Pacer:
    """The budget of one account in one process, which comes to life at `now` and spends nothing before one gap.

    `limit`, `remaining`: of the account, as last told or, where nothing was told, as far as it is known; None before.
    """

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.limit: int | None = None
        self.remaining: int | None = None
        self._allowance = math.inf  # how many more requests we may send in this window
        self._window_ends = now  # rather too late than too early
        self._counted_from = (now, 0)  # since when this window's requests are counted, and what remained then
        self._ours = 0  # of the requests counted
        self._sent_at = now
        self._in_flight = 0
        self._overlapping = False  # whether the newest request went out while others were underway
        self._waits_until = now
        self._denied_until = now
        self._stumbles = 0

    def reconfigure(self, rate: Rate) -> None:
        """Keep to this rate from now on. What was learned and spent stays, and so does every wait.

        Only a denial does not count any more: it may be why somebody changed the account's configuration.
        """
        self.rate = rate
        if self.remaining is not None:
            self._allowance = min(self._allowance, self._share_of(self.remaining))
        self._denied_until = -math.inf
        self._stumbles = min(self._stumbles, 1)

    def next_at(self, now: float) -> float:
        """The earliest moment for one more request; infinity while an answer must come first."""
        return self.spaced_at(now, self.gap(now))

    def spaced_at(self, now: float, gap: float) -> float:
        """The same, where the gap is known."""
        if self._in_flight >= self._in_flight_max(now):
            return math.inf
        return max(self._waits_until, self._denied_until, self._sent_at + gap)

    def _in_flight_max(self, now: float) -> int:
        # One request alone finds out how things stand: after the start, in each new window, after trouble.
        finding_out = self._sent_at >= self._window_ends and now >= self._window_ends
        return 1 if finding_out or self._stumbles else IN_FLIGHT_MAX

    def gap(self, now: float) -> float:
        """Seconds between two requests, as the budget stands."""
        # Comparisons instead of min and max: every poll asks for it several times.
        gap, floor = self._budget_gap(now), self.rate.floor_requests_per_minute
        if floor and gap * floor > WINDOW_SECONDS:
            gap = WINDOW_SECONDS / floor
        ceiling_gap = CEILING_WINDOW_SECONDS / self.rate.max_requests_per_minute
        return gap if gap > ceiling_gap else ceiling_gap  # noqa: FURB136

    def _budget_gap(self, now: float) -> float:
        if now < self._window_ends:
            # With less than one to spend, nothing before the next window, which brings a new budget.
            return (self._window_ends - self._sent_at) / max(self._allowance, 1.0)
        if self.limit is None:
            return 0.0
        return WINDOW_SECONDS / max(self._share_of(self.limit), 1.0)  # as if nobody had used the new window yet

    def _share_of(self, remaining: int) -> float:
        return self.rate.share * (remaining - self.rate.reserve * (self.limit or 0))

    def _spare(self, now: float) -> float:
        """Our share of what the others leave: they get the reserve, or more where they are about to use more."""
        remaining, limit = self.remaining or 0, self.limit or 0
        began, remained = self._counted_from
        others = max(0, remained - remaining - self._ours)
        per_second = others / max(now - began, OTHERS_SECONDS_MIN)
        wanted = per_second * max(0.0, self._window_ends - now)
        return self.rate.share * (remaining - max(self.rate.reserve * limit, wanted))

    def sent(self, now: float) -> None:
        """A request goes out: counted until the reply tells the truth."""
        self._sent_at = now
        self._overlapping = self._in_flight > 0
        self._in_flight += 1
        self._ours += 1
        self._allowance -= 1
        if self.remaining is not None:
            self.remaining = max(self.remaining - 1, 0)

    def heard(self, rate: RateHeaders, now: float) -> None:
        """A request ended, with these headers; with none where there was no reply."""
        self._in_flight -= 1
        self.limit = rate.limit or self.limit
        if rate.remaining is None:
            return
        if rate.limit is None:
            self.limit = max(self.limit or 0, _plan_limit(rate.remaining))
        remaining = max(rate.remaining - self._in_flight, 0)
        match self._window_of(rate.reset_seconds, remaining, now):
            case _Window.NEXT:
                self.remaining = remaining
                self._window_ends = now + _seconds_left(rate.reset_seconds)
                self._count_anew(rate.reset_seconds, now)
                self._allowance = self._spare(now)
            case _Window.THIS:
                # Within a window less and less remains: the lowest number is the newest.
                self.remaining = remaining if self.remaining is None else min(self.remaining, remaining)
                self._window_ends = min(self._window_ends, now + _seconds_left(rate.reset_seconds))
                self._allowance = min(self._allowance, self._spare(now))

    def _count_anew(self, reset_seconds: float | None, now: float) -> None:
        """Of a window whose end is told, the beginning is known too; of another, only what comes from now on."""
        if reset_seconds:
            self._counted_from = self._window_ends - WINDOW_SECONDS, self.limit or 0
            self._ours = self._in_flight + 1
        else:
            self._counted_from = now, self.remaining or 0
            self._ours = self._in_flight

    def _window_of(self, reset_seconds: float | None, remaining: int, now: float) -> "_Window":
        """Which window a reply speaks of: replies may overtake each other, also from one window to the next."""
        over = now >= self._window_ends
        # A reply that was long on its way seems to speak of a later end, but not by as much as half a window.
        distance = now + _seconds_left(reset_seconds) - self._window_ends if reset_seconds else 0.0
        if self.remaining is None or distance > WINDOW_SECONDS / 2:
            return _Window.NEXT
        if not self._overlapping:
            jumped_up = not reset_seconds and remaining > self.remaining
            return _Window.NEXT if over or jumped_up else _Window.THIS
        return _Window.EARLIER if over or distance < -WINDOW_SECONDS / 2 else _Window.THIS

    def wait_until(self, moment: float) -> None:
        """No request before this moment, whatever else holds."""
        self._waits_until = max(self._waits_until, moment)

    def succeeded(self) -> None:
        self._stumbles = 0

    def rate_limited(self, retry_after_seconds: float | None, now: float, jitter: float) -> float:
        """Zendesk said 429. Returns the moment before which nothing is sent. `jitter` in [0, 1)."""
        wait = RATE_LIMITED_SECONDS if retry_after_seconds is None else max(retry_after_seconds, RETRY_SECONDS_MIN)
        return self._stand_still(wait + jitter, now)

    def denied(self, now: float, jitter: float) -> float:
        """Zendesk does not accept the credentials: asked again, ever more rarely."""
        wait = _backoff(DENIED_SECONDS_MIN, DENIED_SECONDS_MAX, self._stumbles, jitter)
        self._stumble(now)
        self._denied_until = max(self._denied_until, now + wait)
        return max(self._waits_until, self._denied_until)

    def failed(self, retry_after_seconds: float | None, now: float, jitter: float) -> float:
        """No usable reply: outage, timeout, garbage."""
        wait = _backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX, self._stumbles, jitter)
        return self._stand_still(max(wait, retry_after_seconds or 0.0), now)

    def _stand_still(self, wait: float, now: float) -> float:
        self._stumble(now)
        self.wait_until(now + wait)
        return max(self._waits_until, self._denied_until)

    def _stumble(self, now: float) -> None:
        # Requests that were underway together fail together: that is one stumble, not eight.
        if not self._stumbles or now >= max(self._waits_until, self._denied_until):
            self._stumbles += 1


class _Window(Enum):
    """Seen from the newest that is known."""

    EARLIER = auto()
    THIS = auto()
    NEXT = auto()


def _plan_limit(remaining: int) -> int:
    """The smallest limit that Zendesk sells of which so much can remain."""
    return next((limit for limit in PLAN_LIMITS if limit >= remaining), remaining)


def _seconds_left(reset_seconds: float | None) -> float:
    """To the end of the window. The countdown ends with 1, so 0 says as little as nothing: a whole window, then."""
    return min(reset_seconds or WINDOW_SECONDS, WINDOW_SECONDS)


def _backoff(first: float, most: float, stumbles: int, jitter: float) -> float:
    """Doubling from `first` to `most`, the upper half spread by jitter so that accounts do not march in step."""
    wait = min(most, first * 2.0 ** min(stumbles, 16))
    return wait * (0.5 + 0.5 * jitter) if stumbles else wait
