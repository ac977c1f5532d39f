"""Requests that were refused or failed, asked again in parts until whoever is at fault is alone.

A refusal (400, 404, 422 …) is about the jobs that the request holds: it is halved at once. A failure (5xx, garbage, no
reply) may as well be an outage, which more and smaller requests would only make worse. What tells one from the other is
an answer: as long as there is none, the account is in doubt and asked no more often than its back-off allows, first
the same once more, then less and less of it. One such probe that is answered proves that the account is well, so that
what failed before and fails again is halved like anything else. All times are monotonic seconds.
"""

import math
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from relay.core.watch import Watch
from relay.core.zendesk import Endpoint

FAILURES_MAX = 4  # in a row, while parts are asked about: more than that look like an outage that has just begun
REFUSALS_MAX = 16  # likewise; where many jobs are at fault, so many parts may be refused before one is taken
PROBES = (1, 1, 2, 2, 8, 8)  # which part of the jobs is asked about after so many failures in a row; then one job


class Finding(Enum):
    """Why a request came to nothing, as far as is known by now."""

    NARROWED = auto()  # one of its jobs: its parts are asked about next
    AT_FAULT = auto()  # the only job that it held
    IN_DOUBT = auto()  # perhaps it is the account


class Inquiry:
    """Into a request of `size` jobs. `open`: its parts without an answer; `largest`: of those with one.

    `clean`: nobody was found at fault.
    """

    __slots__ = ("clean", "largest", "open", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.open = 1
        self.largest = 0
        self.clean = True


class Part:
    """Jobs that are asked about together and apart from all others.

    `doubted_at`: when it, or what it is a part of, came to nothing for the first time; infinity: it did not.
    `failures`: in a row. `due_at`: when it is worth a request. `inquiry`: None: it is no part of anything.
    """

    __slots__ = ("doubted_at", "due_at", "failures", "inquiry", "watches")

    def __init__(
        self, watches: Sequence[Watch], *, doubted_at: float = math.inf, inquiry: Inquiry | None = None
    ) -> None:
        self.watches = tuple(watches)
        self.doubted_at = doubted_at
        self.inquiry = inquiry
        self.failures = 0
        self.due_at = -math.inf

    def probe(self) -> tuple[Watch, ...]:
        """Whom the next request holds."""
        parts = PROBES[self.failures] if self.failures < len(PROBES) else len(self.watches)
        return self.watches[: math.ceil(len(self.watches) / parts)]

    @property
    def endpoint(self) -> Endpoint:
        """Every other probe for one job is for it by itself: it may be the only job that there is."""
        return Endpoint.SHOW if self.failures % 2 and len(self.probe()) == 1 else Endpoint.SHOW_MANY

    def ask_now(self) -> None:
        """About all of it."""
        self.failures, self.due_at = 0, -math.inf


class Bisection:
    """The parts of one account's requests, each here or underway."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._doubtful = False
        self._answered_at = -math.inf
        self._failed_at = -math.inf
        self._failures = 0

    @property
    def in_doubt(self) -> bool:
        """The newest reply says that the account may be in trouble, and some jobs wait for what the next one says."""
        return self._doubtful and bool(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Watch]:
        return (watch for part in self._parts for watch in part.watches if not watch.ended)

    def due_at(self) -> float:
        """When the first part is worth a request; infinity: there is none."""
        return min((part.due_at for part in self._parts), default=math.inf)

    def take(self, now: float) -> Part | None:
        """The next part that is worth a request, if any. Those of it that have ended are not in it any more."""
        for number, part in enumerate(self._parts):
            if part.due_at <= now:
                part.watches = tuple(watch for watch in part.watches if not watch.ended)
                return self._parts.pop(number)
        return None

    def add(self, part: Part) -> None:
        """It comes after all others."""
        self._parts.append(part)

    def put_back(self, part: Part) -> None:
        """The account turned it away for reasons of its own: it comes before all others."""
        self._parts.insert(0, part)

    def forget_ended(self) -> None:
        """Make sure that whoever is first in a part is still to be looked at."""
        for part in [part for part in self._parts if part.watches[0].ended]:
            part.watches = tuple(watch for watch in part.watches if not watch.ended)
            if not part.watches:
                self._parts.remove(part)
                _close(part, clean=False)

    def answered(self, part: Part | None, asked: Sequence[Watch], now: float) -> Inquiry | None:
        """Zendesk told about these jobs. The inquiry that ends with it, if nobody was found at fault."""
        self._failures = 0
        self._answered_at = now
        self.trust()
        if part is None:
            return None
        rest = set(part.watches).difference(asked)
        if not rest:
            return _close(part, clean=True)
        part.watches = tuple(watch for watch in part.watches if watch in rest)
        part.ask_now()
        self.put_back(part)
        return None

    def shown(self, part: Part, watch: Watch) -> None:
        """Zendesk answers for this job by itself, which proves nothing of show_many: the next probe is one of that.

        But it is Zendesk who answers, and who has refused what it was asked before.
        """
        self._failures = 0
        part.watches = tuple(each for each in part.watches if each is not watch)
        part.failures += 1
        if part.watches:
            self.put_back(part)
        else:
            _close(part, clean=False)

    def trust(self) -> None:
        """The account is well: what waited for that is asked about again."""
        if self._doubtful:
            self._doubtful = False
            for part in self._parts:
                part.ask_now()

    def refused(self, part: Part, asked: Sequence[Watch], sent_at: float, now: float) -> Finding:
        """Zendesk would not take this request. If it takes none, that is not for the sake of jobs."""
        self._count(sent_at, now)
        if self._failures > REFUSALS_MAX:
            return self._hold(part, asked, now)
        self.trust()
        return self._narrow(part, asked, now)

    def not_found(self, part: Part, asked: Sequence[Watch], now: float) -> Finding:
        """Zendesk does not know one of these jobs. However often it says so, the account is well."""
        self.trust()
        return self._narrow(part, asked, now)

    def failed(self, part: Part, asked: Sequence[Watch], sent_at: float, now: float) -> Finding:
        """No usable reply. An answer since this was doubted first makes it likely that it is for the sake of jobs."""
        self._count(sent_at, now)
        if part.doubted_at < self._answered_at and self._failures <= FAILURES_MAX:
            return self._narrow(part, asked, now)
        return self._hold(part, asked, now)

    def _count(self, sent_at: float, now: float) -> None:
        # Requests that were underway together fail together: that is one failure, not eight.
        if sent_at >= self._failed_at:
            self._failures += 1
            self._failed_at = now

    def _hold(self, part: Part, asked: Sequence[Watch], now: float) -> Finding:
        """Of several, one is probed until there is an answer or nobody left in it; then it is another one's turn."""
        if (part.failures or not self._doubtful) and part.failures < len(PROBES) and len(part.watches) > 1:
            self.put_back(part)
        else:
            self.add(part)
        part.doubted_at = min(part.doubted_at, now)
        part.failures += 1
        if len(asked) < len(part.watches):
            part.watches = part.watches[len(asked) :] + part.watches[: len(asked)]
        self._doubtful = True
        return Finding.IN_DOUBT

    def _narrow(self, part: Part, asked: Sequence[Watch], now: float) -> Finding:
        if len(part.watches) == 1:
            _close(part, clean=False)
            return Finding.AT_FAULT
        if part.inquiry is None:
            part.inquiry = Inquiry(len(part.watches))
        part.inquiry.open += 1
        doubted_at = min(part.doubted_at, now)
        for piece in _pieces(part.watches, asked):
            self.add(Part(piece, doubted_at=doubted_at, inquiry=part.inquiry))
        return Finding.NARROWED


def _pieces(watches: Sequence[Watch], asked: Sequence[Watch]) -> tuple[Sequence[Watch], Sequence[Watch]]:
    """Two parts, the one that is less likely to hold whoever is at fault first: who was seen before mostly is not."""
    if len(asked) < len(watches):
        suspects = set(asked)
        return [watch for watch in watches if watch not in suspects], asked
    seen = [watch for watch in watches if watch.seen]
    if 0 < len(seen) < len(watches):
        return seen, [watch for watch in watches if not watch.seen]
    half = len(watches) // 2
    return watches[:half], watches[half:]


def _close(part: Part, *, clean: bool) -> Inquiry | None:
    """The part's own inquiry, if that was its last part and nobody of it was found at fault."""
    inquiry = part.inquiry
    if inquiry is None:
        return None
    inquiry.open -= 1
    inquiry.clean = inquiry.clean and clean
    inquiry.largest = max(inquiry.largest, len(part.watches))
    return inquiry if inquiry.clean and not inquiry.open else None
