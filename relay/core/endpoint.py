"""How one endpoint takes what it is sent: `Endpoint.room` says how many attempts may begin now.

Four bounds at once. So many attempts at a time. A rate, evenly spaced. A throttle: the wait that the receiver asks
for, or one that grows while it only says that it cannot. A breaker: what has failed for long is tried by one attempt
now and then. When a wait is over, one attempt goes first, and the others as soon as that one was not turned away.
All times are monotonic seconds, and nothing here outlives the process but `stopped`, which the shard records.
"""

import math
from typing import NamedTuple

from relay.core.delivery import RETRY_AFTER_SECONDS_MAX, Attempt, asks_for_time
from relay.core.standing import SinkState
from relay.errors import Reason

THROTTLE_SECONDS_MIN, THROTTLE_SECONDS_MAX = 0.25, 60.0  # one 503 among many good answers should cost little
FAILURES_MIN, FAILING_SECONDS_MIN = 10, 30.0  # in a row, and for so long, before the breaker opens
PROBE_SECONDS_MIN, PROBE_SECONDS_MAX = 5.0, 300.0
LATE_SECONDS_MAX = 0.05  # what a busy event loop has missed of the rate is made up; what nobody asked for is not

THROTTLES = frozenset({Reason.RATE_LIMITED, Reason.UNAVAILABLE})
ABOUT_ONE_URL = frozenset({Reason.REFUSED, Reason.REDIRECT, Reason.GONE})


class Trial(NamedTuple):
    """What an attempt began as. `era`: rises with each wait. `probe`: of an endpoint that is failing."""

    era: int
    probe: bool


class Endpoint:
    """`shared`: several urls have it in common, so that a refusal of one is no trouble of the endpoint.

    `stopped`: PAUSED or DISABLED, until it is resumed. `failing`: whether the breaker is open. `one_first`: nothing
    else begins before one attempt has told how it stands. `error`: of the last attempt that was trouble.
    """

    def __init__(self, *, concurrency: int, rate_per_second: float | None = None, shared: bool = False) -> None:
        self.stopped: SinkState | None = None
        self.failing = False
        self.error: str | None = None
        self.one_first = False
        self._concurrency = concurrency
        self._interval = 0.0 if rate_per_second is None else 1.0 / rate_per_second
        self._shared = shared
        self._in_flight = 0
        self._slot_at = -math.inf  # when the rate allows the next attempt
        self._waits_until = -math.inf
        self._era = 0
        self._trying = False  # and that one is underway
        self._throttles = 0  # in a row
        self._failures = 0  # in a row
        self._failing_since = -math.inf
        self._probes = 0

    def room(self, now: float) -> int:
        """How many attempts may begin now."""
        return 0 if self.stands(now) else max(0, min(self._free(), self._slots(now)))

    def next_at(self, now: float) -> float:
        """When there is room, if no attempt ends before; inf: not before one ends, or it is resumed."""
        if self.stopped is not None or self._free() <= 0:
            return math.inf
        return max(now, self._waits_until, self._slot_at if self._interval else now)

    def begin(self, now: float) -> Trial:
        """An attempt begins; to be called where there is room, and `after` when it has ended."""
        self._in_flight += 1
        self._trying = self.one_first
        if self._interval:
            self._slot_at = self._slot(now) + self._interval
        return Trial(self._era, self.failing)

    def after(self, trial: Trial, attempt: Attempt | None, now: float) -> None:
        """The attempt has ended; None: nobody knows how."""
        self._in_flight -= 1
        if trial.era == self._era:
            self._trying = False
        # What began before a wait says nothing about how it stands after it, unless the wait is over and done with.
        current = trial.era == self._era or not self.one_first
        if attempt is None:
            return
        if attempt.reason is None or (self._shared and attempt.reason in ABOUT_ONE_URL):
            self._succeeded(now, current=current)
            return
        if self.stopped is None:
            self.error = attempt.error
        if attempt.reason is Reason.GONE:
            self.stop(SinkState.DISABLED, attempt.error)
        elif self.failing:
            self._probed(attempt, now, current=current)
        else:
            self._failed(attempt, now, current=current)

    def stop(self, state: SinkState, error: str | None = None) -> None:
        """PAUSED or DISABLED: nothing begins before it is resumed. Attempts underway end as they will."""
        self.stopped, self.error = state, error

    def resume(self, now: float) -> None:
        """A person says that it may go on: at once, but one attempt first where there was trouble."""
        self.one_first |= self.stopped is SinkState.DISABLED
        self.stopped, self._waits_until = None, now

    def state(self, now: float) -> SinkState:
        if self.stopped is not None:
            return self.stopped
        if self.failing:
            return SinkState.FAILING
        return SinkState.THROTTLED if now < self._waits_until or self._trying else SinkState.ACTIVE

    @property
    def well(self) -> bool:
        """The last attempt that has ended was taken."""
        return self._failures == 0

    def stands(self, now: float) -> bool:
        """Nothing may begin, for longer than until an attempt ends or the rate allows the next."""
        return self.stopped is not None or now < self._waits_until

    def _free(self) -> int:
        free = self._concurrency - self._in_flight
        return min(free, 0 if self._trying else 1) if self.one_first else free

    def _slots(self, now: float) -> int:
        if not self._interval:
            return self._concurrency
        slot = self._slot(now)
        return 0 if now < slot else int((now - slot) / self._interval) + 1

    def _slot(self, now: float) -> float:
        return self._slot_at if now - self._slot_at <= LATE_SECONDS_MAX else now

    def _succeeded(self, now: float, *, current: bool) -> None:
        self._failures = 0
        if self.failing or current:
            self.error = None if self.stopped is None else self.error
            self._waits_until = min(self._waits_until, now)
            self._throttles = self._probes = 0
            self._open()

    def _failed(self, attempt: Attempt, now: float, *, current: bool) -> None:
        if not asks_for_time(attempt):
            self._failing_since = now if self._failures == 0 else self._failing_since
            self._failures += 1
            if self._failures >= FAILURES_MIN and now - self._failing_since >= FAILING_SECONDS_MIN:
                self.failing = True
                self._probed(attempt, now, current=True)
                return
        if attempt.reason in THROTTLES:
            self._throttled(attempt, now, current=current)
        elif current:
            self._open()  # it does not turn away any more, if only to fail

    def _open(self) -> None:
        self.failing = self.one_first = self._trying = False

    def _throttled(self, attempt: Attempt, now: float, *, current: bool) -> None:
        """Several attempts that were underway together are told the same: their wait grows only once."""
        if current:
            self._throttles += 1
        self._wait(
            _asked(attempt, _grown(THROTTLE_SECONDS_MIN, self._throttles, THROTTLE_SECONDS_MAX)), now, current=current
        )

    def _probed(self, attempt: Attempt, now: float, *, current: bool) -> None:
        if not current:  # it began before the breaker opened, and tells nothing new
            return
        self._probes += 1
        grown = _grown(PROBE_SECONDS_MIN, self._probes, PROBE_SECONDS_MAX)
        self._wait(max(grown, _asked(attempt, grown)), now, current=True)

    def _wait(self, seconds: float, now: float, *, current: bool) -> None:
        self._waits_until = max(self._waits_until, now + seconds)
        self.one_first = True
        if current:
            self._era += 1
            self._trying = False


def _grown(first: float, times: int, most: float) -> float:
    return min(first * 2.0 ** (min(times, 30) - 1), most)


def _asked(attempt: Attempt, otherwise: float) -> float:
    if attempt.retry_after_seconds is None:
        return otherwise
    return min(max(attempt.retry_after_seconds, THROTTLE_SECONDS_MIN), RETRY_AFTER_SECONDS_MAX)
