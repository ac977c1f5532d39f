"""What `relay check` tries, one module per thing that relay depends on. Each look ends as a `Finding`."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """WARNING: relay starts, and a person should know. FAILED: it does not start, or cannot do its work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`what` and `name`: `account`, `acme`. `advice`: what to do about it. All of it for people, without secrets."""

    what: str
    name: str
    verdict: Verdict
    detail: str
    advice: str = ""
