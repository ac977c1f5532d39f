"""Pages of panels, and what a person chooses at their top."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.dashboards.panels import Panel
from deploy.dashboards.queries import SOURCE, Json, spelt

COLUMNS = 24
SCHEMA = 39  # of Grafana 10.4; newer ones bring it up to date as they load it
TAG = "relay"
RUNBOOKS = "docs/runbooks.md"  # where the page is served, a chart puts its address here


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable: one or several of a label's values. `of`: the metric that has them, with its labels."""

    name: str
    title: str
    of: str

    def json(self) -> Json:
        query = f"label_values({spelt(self.of)}, {self.name})"
        return {
            "type": "query",
            "name": self.name,
            "label": self.title,
            "datasource": SOURCE,
            "query": {"query": query, "refId": self.name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",  # also where the label is missing
            "current": {"text": ["All"], "value": ["$__all"]},
        }


INSTALLATION = (
    Choice("namespace", "Namespace", "relay_build_info"),
    Choice("job", "Relay", 'relay_build_info{namespace=~"$namespace"}'),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side, as many lines of them as they need."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A dashboard. `name`: of its file and in its address."""

    name: str
    title: str
    description: str
    rows: Sequence[Row]
    choices: Sequence[Choice] = ()

    def json(self) -> Json:
        return {
            "uid": f"{TAG}-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "",
            "annotations": {"list": []},
            "links": [
                {"type": "dashboards", "title": "Relay", "tags": [TAG], "keepTime": True, "includeVars": True},
                {"type": "link", "title": "Runbooks", "url": "${runbooks}", "icon": "doc", "targetBlank": True},
            ],
            "templating": {"list": [_SOURCE_CHOICE, *(one.json() for one in self._choices()), _RUNBOOKS]},
            "panels": list(self._placed()),
        }

    def _choices(self) -> Iterator[Choice]:
        yield from INSTALLATION
        yield from self.choices

    def _placed(self) -> Iterator[Json]:
        y = number = 0
        for row in self.rows:
            number += 1
            yield _heading(row.title, number, y)
            x, y, height = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, height = 0, y + height, 0
                number += 1
                yield panel.json(number, x, y)
                x, height = x + panel.width, max(height, panel.height)
            y += height


_SOURCE_CHOICE: Json = {
    "type": "datasource",
    "name": "datasource",
    "label": "Prometheus",
    "query": "prometheus",
    "refresh": 1,
    "multi": False,
    "includeAll": False,
    "current": {},
}
_RUNBOOKS: Json = {
    "type": "constant",
    "name": "runbooks",
    "query": RUNBOOKS,
    "current": {"text": RUNBOOKS, "value": RUNBOOKS},
    "hide": 2,
}


def _heading(title: str, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
