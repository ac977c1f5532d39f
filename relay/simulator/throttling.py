"""429 in every form that was seen: four bodies, and a Retry-After that is absent, broken, a date, huge or zero."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from math import ceil, floor
from random import Random

from relay.simulator.answer import TEXT, Answer, error_answer, json_answer, page_answer

HUGE_SECONDS = 7_200
RATE_LIMIT_TEXT = "Number of allowed API requests per minute exceeded"
_EDGE = {"detail": "Rate limited by Zendesk edge protection", "status": "429", "title": "Too Many Requests"}


class Body(StrEnum):
    TEXT = "text"
    HTML = "html"
    JSON = "json"
    EDGE = "edge"


class RetryAfter(StrEnum):
    SECONDS = "seconds"
    ABSENT = "absent"  # the caller has to guess
    BROKEN = "broken"  # seconds with a fraction
    DATE = "date"
    HUGE = "huge"
    ZERO = "zero"  # come again at once, and be refused again


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A 429 and how long it holds, whether or not it says so."""

    answer: Answer
    holds_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """`probability` of a 429 out of the blue, whatever remains of the minute; `seconds` that it then holds.

    `bodies` and `retry_after` are drawn from, for every 429 of the account, those of a spent minute included.
    """

    probability: float = 0.0
    seconds: tuple[int, int] = (1, 3)
    bodies: tuple[Body, ...] = (Body.TEXT,)
    retry_after: tuple[RetryAfter, ...] = (RetryAfter.SECONDS,)

    def strike(self, random: Random, now: float) -> Refusal | None:
        if not self.probability or random.random() >= self.probability:
            return None
        style = random.choice(self.retry_after)
        holds_seconds = HUGE_SECONDS if style is RetryAfter.HUGE else random.randint(*self.seconds)
        return Refusal(answer=self._answer(random, style, holds_seconds, now), holds_seconds=holds_seconds)

    def remind(self, random: Random, seconds: float, now: float) -> Answer:
        """The answer to whoever comes `seconds` too early."""
        return self._answer(random, random.choice(self.retry_after), ceil(seconds), now)

    def _answer(self, random: Random, style: RetryAfter, seconds: int, now: float) -> Answer:
        return _body(random.choice(self.bodies)).with_headers(_retry_after(style, seconds, now))


def _retry_after(style: RetryAfter, seconds: int, now: float) -> Mapping[str, str]:
    match style:
        case RetryAfter.SECONDS | RetryAfter.HUGE:
            return {"Retry-After": str(seconds)}
        case RetryAfter.BROKEN:
            return {"Retry-After": f"{seconds:.1f}"}
        case RetryAfter.DATE:
            # Counted from the reply's own date, as the two clocks need not agree.
            return {"Date": _date(floor(now)), "Retry-After": _date(ceil(now + seconds))}
        case RetryAfter.ZERO:
            return {"Retry-After": "0"}
        case RetryAfter.ABSENT:
            return {}


def _date(at: int) -> str:
    return formatdate(at, usegmt=True)


def _body(form: Body) -> Answer:
    match form:
        case Body.TEXT:
            return Answer(status=429, body=RATE_LIMIT_TEXT.encode(), content_type=TEXT)
        case Body.HTML:
            return page_answer(429)
        case Body.JSON:
            return error_answer(429, "APIRateLimitExceeded", RATE_LIMIT_TEXT)
        case Body.EDGE:
            return json_answer(429, _EDGE)
