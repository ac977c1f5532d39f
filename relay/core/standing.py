"""How things stand at a moment, for metrics and for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from relay.errors import Reason

STRANGERS_MAX = 100
OTHERS = "OTHERS"  # no account's name has capitals


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding:
    """One account. `limit`, `remaining`: as Zendesk last told, None before. `stale_seconds`: since the look at the job
    that has waited longest, 0 without jobs. `at_risk`: jobs near their expiry that were not seen lately.
    `elsewhere`: another replica watches its jobs, and only `live_jobs` and the ceiling are known here.
    """

    name: str
    live_jobs: int
    limit: int | None = None
    remaining: int | None = None
    ceiling_per_minute: float | None = None
    trouble: Reason | None = None
    stale_seconds: float = 0.0
    at_risk: int = 0
    elsewhere: bool = False


class SinkState(StrEnum):
    """How deliveries to a sink, or to an endpoint of callbacks, go, from well to badly. PAUSED and DISABLED hold until
    it is resumed.
    """

    ACTIVE = "active"
    THROTTLED = "throttled"  # its receiver asked for time
    FAILING = "failing"  # it has failed for long, and is tried now and then
    PAUSED = "paused"  # by a person
    DISABLED = "disabled"  # its receiver answered 410


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStanding:
    """One sink. `kind`: as configured, or `callback`. `since`: when it came into this state; None: from the start.

    `error`: why it is not active, for people, no secret. `pending`, `dead`: deliveries, and since when the oldest
    pending one is owed.
    """

    name: str
    kind: str
    state: SinkState = SinkState.ACTIVE
    since: float | None = None
    error: str | None = None
    pending: int = 0
    dead: int = 0
    oldest_pending_since: float | None = None


GRAVITY = tuple(SinkState)


def together(standings: Sequence[SinkStanding]) -> SinkStanding:
    """One sink in several places, at least one: what is owed added up, and the state of where it is worst off."""
    worst = max(standings, key=lambda one: GRAVITY.index(one.state))
    since = [one.oldest_pending_since for one in standings if one.oldest_pending_since is not None]
    return replace(
        worst,
        pending=sum(one.pending for one in standings),
        dead=sum(one.dead for one in standings),
        oldest_pending_since=min(since, default=None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`jobs`: live ones by (account, state label). `sinks`: every configured one included.

    `partitions_owned`: of the ledger's, how many this process owns; embedded, there is one and it is ours.
    """

    now: float = 0.0
    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    accounts: Sequence[AccountStanding] = ()
    sinks: Sequence[SinkStanding] = ()
    ledger_bytes: int = 0
    ledger_partitions: int = 1
    partitions_owned: int = 1


def bounded(standing: Standing) -> Standing:
    """The same with a bounded number of names. Accounts that are not configured may be named by anybody who writes to
    the topic that jobs come from: beyond the first hundred they are told as one, and those without a job left no more.
    """
    known = {one.name for one in standing.accounts}
    standing = replace(standing, jobs={key: count for key, count in standing.jobs.items() if key[0] in known})
    strangers = [one for one in standing.accounts if one.trouble is Reason.ACCOUNT_NOT_CONFIGURED]
    if len(strangers) <= STRANGERS_MAX:
        return standing
    others = sorted(strangers, key=lambda one: one.name)[STRANGERS_MAX:]
    names = {one.name for one in others}
    jobs: Counter[tuple[str, str]] = Counter()
    for (account, state), count in standing.jobs.items():
        jobs[OTHERS if account in names else account, state] += count
    together = AccountStanding(
        name=OTHERS,
        live_jobs=sum(one.live_jobs for one in others),
        trouble=Reason.ACCOUNT_NOT_CONFIGURED,
        stale_seconds=max(one.stale_seconds for one in others),
        at_risk=sum(one.at_risk for one in others),
    )
    told = [one for one in standing.accounts if one.name not in names]
    return replace(standing, jobs=jobs, accounts=[*told, together])
