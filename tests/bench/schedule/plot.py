"""The frontier between knowing soon and asking rarely, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.schedule.comparison import clairvoyant
from bench.schedule.simulation import Result
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

MARKERS = ("o", "s", "^", "D")
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


def draw(frontier: Mapping[str, Sequence[Result]], crowd: Sequence[tuple[int, Result, Result]], path: Path) -> None:
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    mean, late, crowded = figure.subplots(1, 3)
    for (name, series), marker in zip(frontier.items(), MARKERS, strict=True):
        requests = [result.per_job for result in series]
        mean.plot(requests, [result.mean for result in series], marker=marker, label=name)
        late.plot(requests, [result.quantile(0.99) for result in series], marker=marker, label=name)
    mean.axhline(clairvoyant(), linestyle=":", color="grey", label="clairvoyant")
    rates = [per_minute for per_minute, _, _ in crowd]
    crowded.plot(rates, [ours.mean for _, ours, _ in crowd], marker="o", label="relay")
    crowded.plot(rates, [other.mean for _, _, other in crowd], marker="s", label="round robin")
    crowded.plot(rates, [clairvoyant(rate) for rate in rates], linestyle=":", color="grey", label="clairvoyant")
    describe(mean, "At most 30 jobs at a time", "requests per job", "mean delay, s")
    describe(late, "The same, the slowest of a hundred", "requests per job", "99th percentile of the delay, s")
    describe(crowded, "19,000 jobs at a time", "requests per minute", "mean delay, s")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def describe(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set(title=title, xlabel=across, ylabel=up, xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(TICKS))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend()
