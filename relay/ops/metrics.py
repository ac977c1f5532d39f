"""The Prometheus metrics of the public contract. Labels are closed sets from the configuration, never job ids."""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from relay import __version__
from relay.core.record import Backlog
from relay.core.standing import AccountStanding, Standing
from relay.errors import Reason

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
NETWORK = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
LAG = (0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300, 900, 3_600)

_Values = dict[tuple[str, ...], float]
_Metric = TypeVar("_Metric", Counter, Histogram)


class Metrics:
    """Counters and histograms that the rooms feed; `page` adds the gauges of the moment.

    `account_label`: False leaves it out, for so many accounts that it would make too many series.
    """

    def __init__(self, *, account_label: bool = True) -> None:
        # Time stamps of creation would double the series, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._account = ("account",) if account_label else ()
        self._gauges = _Gauges(self._account)
        self.registry.register(self._gauges)
        for process in (ProcessCollector, PlatformCollector, GCCollector):
            process(registry=self.registry)
        # Every request passes here, and to find a series takes longer than to count.
        self._intake_jobs = cache(self._counter("relay_intake_jobs", "Jobs handed in", "source", "result").labels)
        self._intake_ack = self._histogram("relay_intake_ack_seconds", "Request to durable", FAST)
        self._requests = self._counter("relay_zendesk_requests", "Requests to Zendesk", *self._account, "outcome")
        self._request_seconds = self._histogram("relay_zendesk_request_seconds", "Requests to Zendesk", NETWORK)
        self._rate_wait = self._counter("relay_rate_wait_seconds", "Polls held up by the rate budget", *self._account)
        self._lag = self._histogram(
            "relay_detection_lag_seconds", "Zendesk's stated completion to our seeing it", LAG, *self._account
        )
        self._events = self._counter("relay_events", "Events recorded", "type", "outcome")
        self._deliveries = self._counter("relay_deliveries", "Attempts to deliver", "sink", "outcome")
        self._delivery_seconds = self._histogram("relay_delivery_seconds", "Attempts to deliver", NETWORK, "sink")
        self._commits = self._counter("relay_ledger_commits", "Ledger commits", "outcome")
        self._commit_seconds = self._histogram("relay_ledger_commit_seconds", "Ledger commits", FAST)
        self._loop_lag = self._histogram("relay_event_loop_lag_seconds", "How late the event loop runs", FAST)

    def page(self, standing: Standing) -> bytes:
        """The exposition format, text version 0.0.4."""
        self._gauges.standing = standing
        return generate_latest(self.registry)

    def intake_jobs(self, source: str, result: str, count: int) -> None:
        self._intake_jobs(source, result).inc(count)

    def intake_ack(self, seconds: float) -> None:
        self._intake_ack.observe(seconds)

    def request(self, account: str, outcome: str, seconds: float) -> None:
        _series(self._requests, *_account_value(self._account, account), outcome).inc()
        self._request_seconds.observe(seconds)

    def rate_waited(self, account: str, seconds: float) -> None:
        _series(self._rate_wait, *_account_value(self._account, account)).inc(seconds)

    def event(self, kind: str, outcome: str) -> None:
        self._events.labels(kind, outcome).inc()

    def detected(self, account: str, lag_seconds: float) -> None:
        _series(self._lag, *_account_value(self._account, account)).observe(lag_seconds)

    def delivery(self, sink: str, outcome: str, seconds: float) -> None:
        self._deliveries.labels(sink, outcome).inc()
        self._delivery_seconds.labels(sink).observe(seconds)

    def commit(self, outcome: str, seconds: float) -> None:
        self._commits.labels(outcome).inc()
        self._commit_seconds.observe(seconds)

    def loop_lag(self, seconds: float) -> None:
        self._loop_lag.observe(seconds)

    def config_reloaded(self, *, successful: bool) -> None:
        self._gauges.reload_successful = successful

    def forget(self, account: str) -> None:
        """The account is not configured any more: nothing that was counted of it is told."""
        if self._account:
            for outcome in ("ok", *Reason):
                _remove(self._requests, account, outcome)
            _remove(self._rate_wait, account)
            _remove(self._lag, account)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)


class _Gauges(Collector):
    """What is true now, told from a `Standing`."""

    def __init__(self, account: tuple[str, ...]) -> None:
        self._account = account
        self.standing = Standing()
        self.reload_successful = True

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("relay_build", "This version", {"version": __version__})
        yield _gauge("relay_config_last_reload_successful", "1 if so", {(): float(self.reload_successful)})
        yield _gauge("relay_partitions_owned", "1 shard in one process", {(): 1.0})
        yield _gauge("relay_ledger_bytes", "The ledger on disk", {(): float(self.standing.ledger_bytes)})
        yield from self._jobs()
        yield from self._accounts(self.standing.accounts)
        yield from _sinks(self.standing.backlog, self.standing.now)

    def _jobs(self) -> Iterable[Metric]:
        counts: _Values = {}
        for (account, state), count in self.standing.jobs.items():
            key = (*_account_value(self._account, account), state)
            counts[key] = counts.get(key, 0.0) + count
        yield _gauge("relay_jobs_tracked", "Live jobs", counts, *self._account, "state")

    def _accounts(self, accounts: Iterable[AccountStanding]) -> Iterable[Metric]:
        limit: _Values = {}
        remaining: _Values = {}
        paused: _Values = {}
        stale: _Values = {}
        risk: _Values = {}
        for one in accounts:
            key = _account_value(self._account, one.name)
            # Without the account label: the lowest limit and remainder, and the worst of the rest.
            if one.limit is not None:
                limit[key] = min(limit.get(key, math.inf), one.limit)
            if one.remaining is not None:
                remaining[key] = min(remaining.get(key, math.inf), one.remaining)
            if one.trouble is not None:
                paused[*key, one.trouble] = paused.get((*key, one.trouble), 0.0) + 1.0
            stale[key] = max(stale.get(key, 0.0), one.stale_seconds)
            risk[key] = risk.get(key, 0.0) + one.at_risk
        label = self._account
        yield _gauge("relay_zendesk_rate_limit", "Requests per minute, as told", limit, *label)
        yield _gauge("relay_zendesk_rate_remaining", "Left in this minute, as told", remaining, *label)
        yield _gauge("relay_account_paused", "Accounts that stand still", paused, *label, "reason")
        yield _gauge("relay_staleness_seconds", "Since the longest unseen job was seen", stale, *label)
        yield _gauge("relay_expiry_risk_jobs", "Near expiry and not seen lately", risk, *label)


def _account_value(label: tuple[str, ...], account: str) -> tuple[str, ...]:
    """The label's value, nothing where the label is off."""
    return (account,) if label else ()


def _series(metric: _Metric, *values: str) -> _Metric:
    """One series of the metric; the metric itself where it has no labels."""
    return metric.labels(*values) if values else metric


def _remove(metric: Counter | Histogram, *values: str) -> None:
    with suppress(KeyError):  # there is no such series
        metric.remove(*values)


def _sinks(rows: Mapping[str, Backlog], now: float) -> Iterable[Metric]:
    oldest: _Values = {
        (sink,): 0.0 if one.oldest_pending_since is None else max(0.0, now - one.oldest_pending_since)
        for sink, one in rows.items()
    }
    yield _gauge("relay_deliveries_pending", "Owed", {(k,): float(v.pending) for k, v in rows.items()}, "sink")
    yield _gauge("relay_deliveries_oldest_pending_seconds", "How long owed", oldest, "sink")
    yield _gauge("relay_deliveries_dead", "Given up", {(k,): float(v.dead) for k, v in rows.items()}, "sink")
    yield _gauge("relay_sink_state", "1 for the present state", {(k, "active"): 1.0 for k in rows}, "sink", "state")


def _gauge(name: str, text: str, values: _Values, *labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
