"""A dashboard as a picture: Grafana's layout, units and colours, as far as they are needed to judge a page."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from dashboards.queries import panels
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

COLUMNS = 24
UNIT_INCHES = 0.62, 0.32  # of a column and of a line of Grafana's grid
GAP_INCHES = 0.09
LABELS_INCHES = 0.5, 0.62, 0.38  # left of, below and above the lines of a graph
DOTS_PER_INCH = 80
PAGE, PANEL, TEXT, DIM = "#111217", "#1e2027", "#d8d9da", "#8e9099"
COLOURS = {"green": "#3f8f4f", "yellow": "#c9a227", "red": "#c4384b", "blue": "#3d6fb5", "purple": "#8a5bb5"}
SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
TIMES = ((86_400, "d"), (3_600, "h"), (60, "min"))

Series = list[tuple[str, Sequence[float], Sequence[float]]]
"""Lines: what each is called, seconds before now, values."""


def draw(page: Mapping[str, Any], courses: Mapping[int, Series], path: Path) -> None:
    """`courses`: by the number of the panel."""
    lines = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in page["panels"])
    figure = Figure(figsize=(COLUMNS * UNIT_INCHES[0], lines * UNIT_INCHES[1]), facecolor=PAGE)
    for one in page["panels"]:
        if one["type"] == "row":
            left, _, _, top = _box(figure, one["gridPos"])
            figure.text(left, top - 0.1 / figure.get_figheight(), one["title"], color=TEXT, weight="bold", va="top")
    for panel in panels(page):
        _DRAWN[panel["type"]](figure, panel, courses[panel["id"]])
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _box(figure: Figure, place: Mapping[str, int]) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of a place in the grid, as parts of the figure."""
    width, height = figure.get_size_inches()
    column, line = UNIT_INCHES
    return (
        (place["x"] * column + GAP_INCHES) / width,
        1 - ((place["y"] + place["h"]) * line - GAP_INCHES) / height,
        ((place["x"] + place["w"]) * column - GAP_INCHES) / width,
        1 - (place["y"] * line + GAP_INCHES) / height,
    )


def _frame(figure: Figure, panel: Mapping[str, Any], colour: str = PANEL) -> Axes:
    left, bottom, right, top = _box(figure, panel["gridPos"])
    frame = figure.add_axes((left, bottom, right - left, top - bottom), facecolor=colour)
    frame.set(xticks=[], yticks=[])
    frame.spines[:].set_visible(False)
    width, height = figure.get_size_inches()
    figure.text(left + 0.08 / width, top - 0.07 / height, panel["title"], color=TEXT, va="top", size=9)
    return frame


def _stat(figure: Figure, panel: Mapping[str, Any], course: Series) -> None:
    ages, values = (course[0][1], course[0][2]) if course else ([], [])
    known = [value for value in values if math.isfinite(value)]
    frame = _frame(figure, panel, _colour(panel, known[-1]) if known else PANEL)
    text = _told(panel, known[-1]) if known else "no data"
    frame.text(0.5, 0.42, text, transform=frame.transAxes, color="white", size=20, ha="center", va="center")
    if len(known) > 1 and max(known) > min(known):
        behind = frame.inset_axes((0.0, 0.0, 1.0, 0.35))
        behind.fill_between(ages, values, min(known), color="white", alpha=0.25, linewidth=0)
        behind.axis("off")
        behind.margins(0)


def _graph(figure: Figure, panel: Mapping[str, Any], course: Series) -> None:
    axes = _plot(figure, panel)
    for name, ages, values in course:
        axes.plot(ages, values, linewidth=1, label=name)
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), max(high, 1.0 if panel["fieldConfig"]["defaults"]["unit"] == "short" else 0.0))
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is not None and step["value"] <= axes.get_ylim()[1]:
            axes.axhline(step["value"], color=COLOURS[step["color"]], linestyle="--", linewidth=0.8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _told(panel, value)))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=True, color=DIM, alpha=0.2)
    if any(name for name, _, _ in course):
        axes.legend(
            loc="upper left", bbox_to_anchor=(-0.08, -0.14), ncols=4, fontsize=6, frameon=False, labelcolor=TEXT,
            columnspacing=1.0, handlelength=1.0, borderpad=0.0,
        )  # fmt: skip


def _course(figure: Figure, panel: Mapping[str, Any], course: Series) -> None:
    axes = _plot(figure, panel)
    words = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    for line, (_, ages, values) in enumerate(course):
        step = min((later - age for age, later in pairwise(ages)), default=1.0)  # it may have been gone in between
        for age, value in zip(ages, values, strict=True):
            axes.broken_barh([(age, step)], (line - 0.4, 0.8), color=COLOURS[words[f"{value:.0f}"]["color"]])
    axes.set_yticks(range(len(course)), [name for name, _, _ in course], size=7)
    for number, word in enumerate(words.values()):
        axes.text(number * 0.19, -0.3, word["text"], transform=axes.transAxes, color=COLOURS[word["color"]], size=8)


def _plot(figure: Figure, panel: Mapping[str, Any]) -> Axes:
    """Where lines over time are drawn, in the frame of a panel."""
    frame = _frame(figure, panel)
    left, bottom, right, top = _box(figure, panel["gridPos"])
    width, height = figure.get_size_inches()
    before, below, above = LABELS_INCHES
    before += 0.9 if panel["type"] == "state-timeline" else 0.15
    axes = figure.add_axes(
        (
            left + before / width,
            bottom + below / height,
            right - left - (before + 0.1) / width,
            top - bottom - (below + above) / height,
        ),
        facecolor=PANEL,
    )
    axes.set_zorder(frame.get_zorder() + 1)
    axes.spines[:].set_color(DIM)
    axes.tick_params(colors=DIM, labelsize=7)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda age, _: f"{age / 60:.0f} min" if age <= -60 else "now"))
    axes.xaxis.set_major_locator(MultipleLocator(60 if panel["type"] == "timeseries" else 120))
    axes.margins(x=0)
    return axes


def _colour(panel: Mapping[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return COLOURS[[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]]


def _told(panel: Mapping[str, Any], value: float) -> str:
    """A value as Grafana writes it in the panel's unit, or the word for it."""
    defaults = panel["fieldConfig"]["defaults"]
    for mapping in defaults["mappings"]:
        if f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    match defaults["unit"]:
        case "percentunit":
            return f"{100 * value:.3g} %" if abs(value) < 10 else f"{100 * value:.0f} %"
        case "s" if abs(value) < 1:
            return f"{1_000 * value:.3g} ms"
        case "s":
            return _scaled(value, TIMES, "s")
        case "bytes":
            return _scaled(value, SIZES, "B")
        case _:
            return f"{value:.3g}" if abs(value) < 1_000 else f"{value / 1_000:.3g} K"


def _scaled(value: float, units: Sequence[tuple[int, str]], smallest: str) -> str:
    size, name = next(((size, name) for size, name in units if value >= size), (1, smallest))
    return f"{value / size:.3g} {name}"


_DRAWN = {"stat": _stat, "timeseries": _graph, "state-timeline": _course}
