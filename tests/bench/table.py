"""What was measured, and how it is told."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """`ours` beside its target. With a `floor`, measured in the same run, the target is for the ratio to it."""

    what: str
    unit: str
    ours: float
    floor: float | None = None
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def reached(self) -> bool:
        judged = self.ours if self.ratio is None else self.ratio
        return (self.at_least is None or judged >= self.at_least) and (self.at_most is None or judged <= self.at_most)

    @property
    def target(self) -> str:
        bound = f">= {number(self.at_least)}" if self.at_most is None else f"<= {number(self.at_most)}"
        return bound if self.ratio is None else f"{bound} of floor"

    def cells(self) -> tuple[str, ...]:
        verdict = "ok" if self.reached else "MISSED"
        return (self.what, self.unit, number(self.ours), number(self.floor), number(self.ratio), self.target, verdict)


HEADINGS = ("what", "unit", "ours", "floor", "ratio", "target", "")
WIDTHS = (60, 10, 8, 8, 6, 14, 6)


def show(rows: Iterable[Measurement]) -> bool:
    """Print each as it comes. Whether all targets are reached."""
    print(line(HEADINGS))
    reached = True
    for row in rows:
        print(line(row.cells()), flush=True)
        reached = reached and row.reached
    return reached


def line(cells: Iterable[str]) -> str:
    what, unit, *rest = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return "  ".join((what.strip().ljust(WIDTHS[0]), unit.strip().ljust(WIDTHS[1]), *rest)).rstrip()


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
