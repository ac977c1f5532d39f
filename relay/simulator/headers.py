"""How a reply tells the rate limit: the spellings that were recorded or documented, in any subset and any case."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from relay.simulator.budget import Reading

BUCKET_TOTAL = 100


class Spelling(StrEnum):
    X_RATE_LIMIT = "X-Rate-Limit"  # always seen; no reset
    RATE_LIMIT = "rate-limit"  # 2023
    RATELIMIT = "ratelimit"  # 2024, and documented
    BUCKET = "zendesk-ratelimit"  # of one endpoint, not of the account
    BUCKET_HYPHENED = "zendesk-rate-limit"


class Case(StrEnum):
    """HTTP header names mean the same in any case."""

    RECORDED = "recorded"
    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateHeaders:
    """`kept`: share of the headers that each reply keeps, chosen at random."""

    spellings: tuple[Spelling, ...] = (Spelling.X_RATE_LIMIT, Spelling.RATELIMIT)
    case: Case = Case.RECORDED
    kept: float = 1.0

    def tell(self, reading: Reading, random: Random) -> dict[str, str]:
        told: dict[str, str] = {}
        for spelling in self.spellings:
            told |= _spell(spelling, reading)
        if self.kept < 1.0:
            told = {name: value for name, value in told.items() if random.random() < self.kept}
        match self.case:
            case Case.RECORDED:
                return told
            case Case.LOWER:
                return {name.lower(): value for name, value in told.items()}
            case Case.UPPER:
                return {name.upper(): value for name, value in told.items()}


def _spell(spelling: Spelling, reading: Reading) -> dict[str, str]:
    limit, remaining, reset = str(reading.limit), str(reading.remaining), str(reading.reset_seconds)
    match spelling:
        case Spelling.X_RATE_LIMIT:
            return {"X-Rate-Limit": limit, "X-Rate-Limit-Remaining": remaining}
        case Spelling.RATE_LIMIT:
            return {"rate-limit": limit, "rate-limit-remaining": remaining, "rate-limit-reset": reset}
        case Spelling.RATELIMIT:
            return {"ratelimit-limit": limit, "ratelimit-remaining": remaining, "ratelimit-reset": reset}
        case Spelling.BUCKET | Spelling.BUCKET_HYPHENED:
            bucket = f"total={BUCKET_TOTAL}; remaining={BUCKET_TOTAL - 1}; resets={reset}"
            return {f"{spelling}-job-statuses-show-many": bucket}
