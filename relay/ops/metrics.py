"""The Prometheus metrics of the public contract. Labels are closed sets from the configuration, never job ids."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain

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
from relay.core.standing import SinkStanding, SinkState, Standing
from relay.ops.accounts import AccountMetrics
from relay.ops.series import Distribution, Family, Key, written

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
NETWORK = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
DELIVERIES = Family(
    name="relay_deliveries_total", kind="counter", text="Attempts to deliver", labels=("sink", "outcome")
)
DELIVERY_SECONDS = Family(name="relay_delivery_seconds", kind="histogram", text="Attempts to deliver", labels=("sink",))

_Values = dict[Key, float]


class Metrics:
    """Counters and histograms that the rooms feed; `page` adds the gauges of the moment.

    `account_label`: False leaves it out, for so many accounts that it would make too many series.
    """

    def __init__(self, *, account_label: bool = True) -> None:
        # Time stamps of creation would double the series, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._accounts = AccountMetrics(label=account_label)
        self._gauges = _Gauges()
        self.registry.register(self._gauges)
        for process in (ProcessCollector, PlatformCollector, GCCollector):
            process(registry=self.registry)
        # Every request and every delivery passes here, and to find a series takes longer than to count.
        self._intake_jobs = cache(self._counter("relay_intake_jobs", "Jobs handed in", "source", "result").labels)
        self._intake_ack = self._histogram("relay_intake_ack_seconds", "Request to durable", FAST)
        self._events = cache(self._counter("relay_events", "Events recorded", "type", "outcome").labels)
        self._deliveries: _Values = {}
        self._delivery_seconds: dict[Key, Distribution] = {}
        self._commits = self._counter("relay_ledger_commits", "Ledger commits", "outcome")
        self._commit_seconds = self._histogram("relay_ledger_commit_seconds", "Ledger commits", FAST)
        self._loop_lag = self._histogram("relay_event_loop_lag_seconds", "How late the event loop runs", FAST)

    async def page(self, standing: Standing) -> bytes:
        """The exposition format, text version 0.0.4."""
        self._gauges.standing = standing
        lines = chain(self._delivery_lines(), self._accounts.lines(standing))
        return generate_latest(self.registry) + await written(lines)

    def _delivery_lines(self) -> Iterator[str]:
        yield from DELIVERIES.lines(list(self._deliveries.items()))
        yield from DELIVERY_SECONDS.histogram_lines(list(self._delivery_seconds.items()))

    def intake_jobs(self, source: str, result: str, count: int) -> None:
        self._intake_jobs(source, result).inc(count)

    def intake_ack(self, seconds: float) -> None:
        self._intake_ack.observe(seconds)

    def request(self, account: str, outcome: str, seconds: float) -> None:
        self._accounts.request(account, outcome, seconds)

    def rate_waited(self, account: str, seconds: float) -> None:
        self._accounts.rate_waited(account, seconds)

    def event(self, kind: str, outcome: str) -> None:
        self._events(kind, outcome).inc()

    def detected(self, account: str, lag_seconds: float) -> None:
        self._accounts.detected(account, lag_seconds)

    def looked(self, unseen_seconds: Collection[float]) -> None:
        self._accounts.looked(unseen_seconds)

    def delivery(self, sink: str, outcome: str, seconds: float, count: int = 1) -> None:
        self._deliveries[sink, outcome] = self._deliveries.get((sink, outcome), 0.0) + count
        distribution = self._delivery_seconds.get((sink,))
        if distribution is None:
            distribution = self._delivery_seconds[sink,] = Distribution(NETWORK)
        distribution.observe(seconds, count)

    def commit(self, outcome: str, seconds: float) -> None:
        self._commits.labels(outcome).inc()
        self._commit_seconds.observe(seconds)

    def loop_lag(self, seconds: float) -> None:
        self._loop_lag.observe(seconds)

    def config_reloaded(self, *, successful: bool) -> None:
        self._gauges.reload_successful = successful

    def forget(self, account: str) -> None:
        """The account is not configured any more: nothing that was counted of it is told."""
        self._accounts.forget(account)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)


class _Gauges(Collector):
    """What is true now, told from a `Standing`."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.reload_successful = True

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("relay_build", "This version", {"version": __version__})
        yield _gauge("relay_config_last_reload_successful", "1 if so", {(): float(self.reload_successful)})
        yield _gauge("relay_ledger_partitions", "Of the ledger", {(): float(self.standing.ledger_partitions)})
        yield _gauge("relay_partitions_owned", "By this process", {(): float(self.standing.partitions_owned)})
        yield _gauge("relay_ledger_bytes", "The ledger on disk", {(): float(self.standing.ledger_bytes)})
        yield from _sinks(self.standing.sinks, self.standing.now)


def _sinks(sinks: Sequence[SinkStanding], now: float) -> Iterable[Metric]:
    oldest: _Values = {
        (one.name,): 0.0 if one.oldest_pending_since is None else max(0.0, now - one.oldest_pending_since)
        for one in sinks
    }
    states: _Values = {(one.name, state): float(one.state is state) for one in sinks for state in SinkState}
    yield _gauge("relay_deliveries_pending", "Owed", {(one.name,): float(one.pending) for one in sinks}, "sink")
    yield _gauge("relay_deliveries_oldest_pending_seconds", "How long owed", oldest, "sink")
    yield _gauge("relay_deliveries_dead", "Given up", {(one.name,): float(one.dead) for one in sinks}, "sink")
    yield _gauge("relay_sink_state", "1 for the present state, 0 for the others", states, "sink", "state")


def _gauge(name: str, text: str, values: _Values, *labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
