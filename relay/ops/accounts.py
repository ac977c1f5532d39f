"""What is told of accounts: counted as it happens, and how they stand at the moment."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import add

from relay.core.standing import AccountStanding, Standing
from relay.ops.series import Distribution, Family, Key

REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
REQUEST_FAMILY = Family(name="relay_zendesk_request_seconds", kind="histogram", text="Requests to Zendesk")
LAG_SECONDS = (0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300, 900, 3_600)
UNSEEN_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400)
UNSEEN_FAMILY = Family(name="relay_unseen_seconds", kind="histogram", text="How long a job had gone unseen when seen")

Merge = Callable[[float, float], float]
_Values = dict[Key, float]


class AccountMetrics:
    """`label`: False: not by account, but of all together."""

    def __init__(self, *, label: bool) -> None:
        self._label = label
        self._requests: dict[Key, dict[str, float]] = {}
        self._request_seconds = Distribution(REQUEST_SECONDS)
        self._rate_wait: _Values = {}
        self._unseen = Distribution(UNSEEN_SECONDS)
        self._lag: dict[Key, Distribution] = {} if label else {(): Distribution(LAG_SECONDS)}

    def request(self, account: str, outcome: str, seconds: float) -> None:
        outcomes = self._requests.setdefault(self._key(account), {})
        outcomes[outcome] = outcomes.get(outcome, 0.0) + 1.0
        self._request_seconds.observe(seconds)

    def rate_waited(self, account: str, seconds: float) -> None:
        key = self._key(account)
        self._rate_wait[key] = self._rate_wait.get(key, 0.0) + seconds

    def detected(self, account: str, lag_seconds: float) -> None:
        key = self._key(account)
        distribution = self._lag.get(key)
        if distribution is None:
            distribution = self._lag[key] = Distribution(LAG_SECONDS)
        distribution.observe(lag_seconds)

    def looked(self, unseen_seconds: Collection[float]) -> None:
        """A reply told of jobs of which nothing was heard for so long."""
        self._unseen.observe_all(unseen_seconds)

    def forget(self, account: str) -> None:
        """Nothing that was counted of this account is told any more."""
        if self._label:
            self._requests.pop((account,), None)
            self._rate_wait.pop((account,), None)
            self._lag.pop((account,), None)

    def lines(self, standing: Standing) -> Iterator[str]:
        """Of a page. What changes while it is written may be on it or not."""
        requests = self._family("relay_zendesk_requests_total", "counter", "Requests to Zendesk", "outcome")
        rate_wait = self._family("relay_rate_wait_seconds_total", "counter", "Polls held up by the rate budget")
        lag = self._family("relay_detection_lag_seconds", "histogram", "Zendesk's stated completion to our seeing it")
        yield from requests.lines(self._by_outcome())
        yield from REQUEST_FAMILY.histogram_lines([((), self._request_seconds)])
        yield from rate_wait.lines(list(self._rate_wait.items()))
        yield from lag.histogram_lines(list(self._lag.items()))
        yield from UNSEEN_FAMILY.histogram_lines([((), self._unseen)])
        jobs = (((*self._key(account), state), count) for (account, state), count in standing.jobs.items())
        yield from self._gauge("relay_jobs_tracked", "Live jobs", jobs, add, "state")
        yield from self._standing(standing.accounts)

    def _by_outcome(self) -> Iterator[tuple[Key, float]]:
        for key, outcomes in list(self._requests.items()):
            for outcome, count in list(outcomes.items()):
                yield (*key, outcome), count

    def _standing(self, accounts: Sequence[AccountStanding]) -> Iterator[str]:
        """Without the account label: the lowest limit and remainder, and the worst of the rest."""
        limits = ((self._key(one.name), one.limit) for one in accounts if one.limit is not None)
        remainders = ((self._key(one.name), one.remaining) for one in accounts if one.remaining is not None)
        paused = (((*self._key(one.name), one.trouble), 1.0) for one in accounts if one.trouble is not None)
        stale = ((self._key(one.name), one.stale_seconds) for one in accounts)
        at_risk = ((self._key(one.name), one.at_risk) for one in accounts)
        yield from self._gauge("relay_zendesk_rate_limit", "Requests per minute, as told", limits, min)
        yield from self._gauge("relay_zendesk_rate_remaining", "Left in this minute, as told", remainders, min)
        yield from self._gauge("relay_account_paused", "Accounts that stand still", paused, add, "reason")
        yield from self._gauge("relay_staleness_seconds", "Since the longest unseen job was seen", stale, max)
        yield from self._gauge("relay_expiry_risk_jobs", "Near expiry and not seen lately", at_risk, add)

    def _gauge(
        self, name: str, text: str, values: Iterable[tuple[Key, float]], merge: Merge, *labels: str
    ) -> Iterator[str]:
        return self._family(name, "gauge", text, *labels).lines(values if self._label else _merged(values, merge))

    def _family(self, name: str, kind: str, text: str, *labels: str) -> Family:
        return Family(name=name, kind=kind, text=text, labels=("account", *labels) if self._label else labels)

    def _key(self, account: str) -> Key:
        """The label's value, nothing where the label is off."""
        return (account,) if self._label else ()


def _merged(values: Iterable[tuple[Key, float]], merge: Merge) -> Iterable[tuple[Key, float]]:
    """One value for each key."""
    merged: _Values = {}
    for key, value in values:
        merged[key] = merge(merged[key], value) if key in merged else value
    return merged.items()
