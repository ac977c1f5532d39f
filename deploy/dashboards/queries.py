"""What panels ask Prometheus.

In an expression `@relay` stands for the labels that the variables of the page choose; `@account` and `@sink` for these
and the account's or the sink's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

RELAY = 'namespace=~"$namespace", job=~"$job"'
LABELS = {"@relay": RELAY, "@account": f'{RELAY}, account=~"$account"', "@sink": f'{RELAY}, sink=~"$sink"'}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
LINES_MAX = 20  # of accounts in one graph; who has more sees the worst, or chooses


@dataclass(frozen=True, slots=True)
class Query:
    """`expression`: PromQL. `legend`: what a line is called, with labels as {{label}}."""

    expression: str
    legend: str = ""

    def json(self, letter: str) -> Json:
        expression = spelt(self.expression)
        return {"refId": letter, "datasource": SOURCE, "expr": expression, "legendFormat": self.legend, "range": True}


def spelt(text: str) -> str:
    """With the labels that the short forms stand for."""
    for short, labels in LABELS.items():
        text = text.replace(short, labels)
    return text


def per_minute(counter: str, *by: str) -> Query:
    """How often, for each value of these labels. `counter`: with its labels in braces."""
    return Query(f"60 * sum by ({', '.join(by)}) (rate({counter}[$__rate_interval]))", _legend(by))


def ratio(part: str, whole: str, *by: str, window: str = "$__rate_interval") -> Query:
    """Of two counters with their labels in braces, one by the other."""
    rates = (f"sum by ({', '.join(by)}) (rate({counter}[{window}]))" for counter in (part, whole))
    return Query(" / ".join(rates), _legend(by))


def quantiles(histogram: str, labels: str = "@relay") -> Sequence[Query]:
    """The median and the slowest hundredth."""
    rates = f"sum by (le) (rate({histogram}_bucket{{{labels}}}[$__rate_interval]))"
    return [
        Query(f"histogram_quantile({part}, {rates})", name)
        for part, name in ((0.5, "median"), (0.99, "slowest hundredth"))
    ]


def highest(query: Query) -> Query:
    """Of many lines."""
    return Query(f"topk({LINES_MAX}, {query.expression})", query.legend)


def lowest(query: Query) -> Query:
    return Query(f"bottomk({LINES_MAX}, {query.expression})", query.legend)


def _legend(labels: Sequence[str]) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels)
