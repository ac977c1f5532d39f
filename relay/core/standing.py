"""How things stand at a moment, for metrics and for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from relay.core.record import Backlog
from relay.errors import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding:
    """One account. `limit`, `remaining`: as Zendesk last told, None before. `stale_seconds`: since the look at the job
    that has waited longest, 0 without jobs. `at_risk`: jobs near their expiry that were not seen lately.
    """

    name: str
    live_jobs: int
    limit: int | None = None
    remaining: int | None = None
    ceiling_per_minute: float | None = None
    trouble: Reason | None = None
    stale_seconds: float = 0.0
    at_risk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`jobs`: live ones by (account, state label). `backlog`: by sink, every configured sink included."""

    now: float = 0.0
    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    accounts: Sequence[AccountStanding] = ()
    backlog: Mapping[str, Backlog] = field(default_factory=dict)
    ledger_bytes: int = 0
