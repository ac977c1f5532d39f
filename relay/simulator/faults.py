"""What goes wrong on the way back, each as a value that looks at the good answer and may replace it.

Only reads are struck, and requests for tokens by those faults that are `everywhere`. Never the start of a job: a test
must know what it has started.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from random import Random
from typing import ClassVar, Protocol

from relay.simulator.answer import Answer, Hangup, Reply, page_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """`random`: of the account. `now`: seconds since the epoch; `age_seconds`: since the account was first asked.

    `token`: a token is asked for, not a job status.
    """

    random: Random
    now: float
    age_seconds: float
    token: bool = False


class Fault(Protocol):
    everywhere: ClassVar[bool]

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:
        """The reply instead of `answer`, or None to leave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `after_seconds` of the account's age on, for `for_seconds`; again and again if `every_seconds` says so."""

    after_seconds: float
    for_seconds: float
    every_seconds: float | None = None

    def holds(self, age_seconds: float) -> bool:
        since = age_seconds - self.after_seconds
        if since >= 0 and self.every_seconds is not None:
            since %= self.every_seconds
        return 0 <= since < self.for_seconds


ALWAYS = Window(after_seconds=0.0, for_seconds=inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerErrors:
    """An HTML page instead of the answer. `hints`: share of the 503s that carry a Retry-After of 1 to 5 seconds."""

    everywhere: ClassVar[bool] = True
    probability: float
    statuses: tuple[int, ...] = (500, 502, 503, 520, 524)
    hints: float = 0.5

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:  # noqa: ARG002 - a Fault
        random = moment.random
        if random.random() >= self.probability:
            return None
        status = random.choice(self.statuses)
        hint = status == 503 and random.random() < self.hints
        return page_answer(status, {"Retry-After": str(random.randint(1, 5))} if hint else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """503 for everything while the window lasts, without a word on how long that will be."""

    everywhere: ClassVar[bool] = True
    window: Window

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:  # noqa: ARG002 - a Fault
        return page_answer(503) if self.window.holds(moment.age_seconds) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resets:
    everywhere: ClassVar[bool] = True
    probability: float

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:  # noqa: ARG002 - a Fault
        return Hangup() if moment.random.random() < self.probability else None


class Cut(StrEnum):
    """What is left of a reply that says 200."""

    HALF = "half"  # as if that were all
    NOTHING = "nothing"
    BROKEN = "broken"  # the connection breaks in mid-body


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncations:
    """`window`: when it may strike at all."""

    everywhere: ClassVar[bool] = False
    probability: float
    cuts: tuple[Cut, ...] = tuple(Cut)
    window: Window = ALWAYS

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:
        if not self.window.holds(moment.age_seconds) or moment.random.random() >= self.probability:
            return None
        half = len(answer.body) // 2
        match moment.random.choice(self.cuts):
            case Cut.HALF:
                return replace(answer, body=answer.body[:half])
            case Cut.NOTHING:
                return replace(answer, body=b"")
            case Cut.BROKEN:
                return replace(answer, cut_after=half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    everywhere: ClassVar[bool] = False
    probability: float
    seconds: tuple[float, float]

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:
        if moment.random.random() >= self.probability:
            return None
        return replace(answer, delay_seconds=moment.random.uniform(*self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drips:
    """A body that trickles in: not one read times out, and yet it takes for ever."""

    everywhere: ClassVar[bool] = False
    probability: float
    seconds: tuple[float, float]

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:
        if moment.random.random() >= self.probability:
            return None
        return replace(answer, drip_seconds=moment.random.uniform(*self.seconds))
