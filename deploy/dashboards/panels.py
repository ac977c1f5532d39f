"""Panels, and how Grafana wants to have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import ClassVar

from deploy.dashboards.queries import SOURCE, Json, Query

Steps = Sequence[tuple[float | None, str]]
"""From which value on it has which colour; the first is for all that is lower."""

NO_MATTER: Steps = ((None, "blue"),)
NONE_IS_GOOD: Steps = ((None, "green"), (1, "red"))


def rising(yellow: float, red: float) -> Steps:
    """High values are bad."""
    return (None, "green"), (yellow, "yellow"), (red, "red")


def falling(yellow: float, red: float) -> Steps:
    """Low values are bad: red below `red`, green from `yellow` on."""
    return (None, "red"), (red, "yellow"), (yellow, "green")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`unit`: one of Grafana's names. `words`: value to (text, colour). `alert`: whose runbook it links to.

    `width`: of the 24 columns that a page has.
    """

    title: str
    description: str
    queries: Sequence[Query]
    unit: str = "short"
    steps: Steps = NO_MATTER
    words: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    alert: str | None = None
    width: int = 8
    height: ClassVar[int]
    kind: ClassVar[str]
    style: ClassVar[Json]
    options: ClassVar[Json]

    def json(self, number: int, x: int, y: int) -> Json:
        """At its place; `number`: its own on the page."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "links": [] if self.alert is None else [_runbook(self.alert)],
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [query.json(letter) for query, letter in zip(self.queries, ascii_uppercase, strict=False)],
            "fieldConfig": {"defaults": self._field(), "overrides": []},
            "options": self.options,
        }

    def _field(self) -> Json:
        words = {str(value): {"text": text, "color": colour} for value, (text, colour) in self.words.items()}
        return {
            "unit": self.unit,
            "custom": self.style,
            "color": {"mode": "thresholds" if self.kind != Graph.kind else "palette-classic"},
            "thresholds": {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in self.steps]},
            "mappings": [{"type": "value", "options": words}] if words else [],
        }


class Stat(Panel):
    """One number, and its course behind it."""

    height = 4
    kind = "stat"
    style: ClassVar[Json] = {}
    options: ClassVar[Json] = {
        "colorMode": "background",
        "graphMode": "area",
        "textMode": "value",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }


class Graph(Panel):
    """Lines over time, with a line at each step."""

    height = 8
    kind = "timeseries"
    style: ClassVar[Json] = {
        "lineWidth": 1,
        "fillOpacity": 10,
        "showPoints": "never",
        "spanNulls": False,
        "axisSoftMin": 0,
        "thresholdsStyle": {"mode": "dashed"},
    }
    options: ClassVar[Json] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


class Course(Panel):
    """In which state each was when: a bar for each, in the colours of its states."""

    height = 8
    kind = "state-timeline"
    style: ClassVar[Json] = {"fillOpacity": 80, "lineWidth": 0}
    options: ClassVar[Json] = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    }


def _runbook(alert: str) -> Json:
    return {"title": f"Runbook: {alert}", "url": f"${{runbooks}}#{alert.lower()}", "targetBlank": True}
