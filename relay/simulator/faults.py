"""What goes wrong between a good answer and the caller, each as a value that looks at the answer and may replace it.

Only reads are struck, never the start of a job: a test must know what it has started.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from relay.simulator.answer import HTML, TEXT, Answer, Hangup, Reply, error_answer

_HTML_ERROR = b"<!DOCTYPE html><html><head><title>%d</title></head><body><h1>Something went wrong</h1></body></html>"
RATE_LIMIT_TEXT = b"Number of allowed API requests per minute exceeded"
_EDGE = b'{"detail":"Rate limited by Zendesk edge protection","status":"429","title":"Too Many Requests"}'


class Fault(Protocol):
    def strike(self, answer: Answer, random: Random, seconds: float) -> Reply | None:
        """The reply instead of `answer`, or None to leave it. `seconds`: since the account's first read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerErrors:
    """HTML 500, 502, 520, 524; 503 with and without Retry-After."""

    probability: float

    def strike(self, answer: Answer, random: Random, seconds: float) -> Reply | None:  # noqa: ARG002 - a Fault
        if random.random() >= self.probability:
            return None
        status = random.choice((500, 502, 503, 503, 520, 524))
        headers = {"Retry-After": "1"} if status == 503 and random.random() < 0.5 else {}
        return Answer(status=status, body=_HTML_ERROR % status, content_type=HTML, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resets:
    probability: float

    def strike(self, answer: Answer, random: Random, seconds: float) -> Reply | None:  # noqa: ARG002 - a Fault
        return Hangup() if random.random() < self.probability else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncations:
    """A 200 whose JSON stops in the middle, that is empty, or whose connection breaks in mid-body."""

    probability: float

    def strike(self, answer: Answer, random: Random, seconds: float) -> Reply | None:  # noqa: ARG002 - a Fault
        if random.random() >= self.probability:
            return None
        half = len(answer.body) // 2
        return random.choice(
            (replace(answer, body=answer.body[:half]), replace(answer, body=b""), replace(answer, cut_after=half))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    probability: float
    seconds: float

    def strike(self, answer: Answer, random: Random, seconds: float) -> Reply | None:  # noqa: ARG002 - a Fault
        return replace(answer, delay_seconds=self.seconds) if random.random() < self.probability else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttles:
    """429 out of the blue, whatever remains of the minute, in each body that was seen. It holds for Retry-After."""

    probability: float
    retry_after_seconds: tuple[int, int]

    def strike(self, answer: Answer, random: Random, seconds: float) -> Reply | None:  # noqa: ARG002 - a Fault
        if random.random() >= self.probability:
            return None
        return throttled(random, random.randint(*self.retry_after_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthorized:
    """401 for a while, as when a token was revoked and is replaced."""

    after_seconds: float
    for_seconds: float

    def strike(self, answer: Answer, random: Random, seconds: float) -> Reply | None:  # noqa: ARG002 - a Fault
        struck = self.after_seconds <= seconds < self.after_seconds + self.for_seconds
        return unauthenticated() if struck else None


def throttled(random: Random, retry_after_seconds: int) -> Answer:
    body, content_type = random.choice(
        (
            (RATE_LIMIT_TEXT, TEXT),
            (_HTML_ERROR % 429, HTML),
            (b'{"error":"APIRateLimitExceeded","description":"%s"}' % RATE_LIMIT_TEXT, "application/json"),
            (_EDGE, "application/json"),
        )
    )
    headers = {"Retry-After": str(retry_after_seconds)}
    return Answer(status=429, body=body, content_type=content_type, headers=headers)


def unauthenticated() -> Answer:
    return error_answer(401, "Couldn't authenticate you")
