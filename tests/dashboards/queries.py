"""The queries of the committed dashboards, as Grafana would send them with everything chosen."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/chart/files/dashboards"
RULES = tuple(sorted((ROOT / "deploy/chart/files/alerts").glob("*.yaml")))
ALL = {"$namespace": ".*", "$job": ".*", "$account": ".*", "$sink": ".*"}
LABEL_VALUES = re.compile(r"label_values\((?P<of>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query of a panel. `expression`: but for `$__rate_interval` without variables."""

    page: str
    panel: Mapping[str, Any]
    expression: str
    legend: str

    def at_pace(self, rate_seconds: float) -> str:
        """With the window that Grafana would take for rates: four scrapes."""
        return self.expression.replace("$__rate_interval", f"{rate_seconds * 1_000:.0f}ms")

    def __str__(self) -> str:
        return f"{self.page}: {self.panel['title']}"


def pages() -> Mapping[str, Mapping[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Headings of rows left out."""
    return [panel for panel in page["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Asked]:
    for name, page in pages().items():
        for panel in panels(page):
            for target in panel["targets"]:
                yield Asked(page=name, panel=panel, expression=_chosen(target["expr"]), legend=target["legendFormat"])


def choices() -> Iterator[tuple[str, str]]:
    """What the variables take their values from: a selector and the label."""
    for page in pages().values():
        for variable in page["templating"]["list"]:
            if variable["type"] == "query":
                found = LABEL_VALUES.fullmatch(variable["definition"])
                assert found is not None
                yield _chosen(found["of"]), found["label"]


def _chosen(text: str) -> str:
    for variable, value in ALL.items():
        text = text.replace(variable, value)
    return text
