"""Writes the dashboards where the chart takes them from."""

import json
from pathlib import Path

from deploy.dashboards import accounts, overview, sinks
from deploy.dashboards.pages import Page

PAGES = (overview.PAGE, accounts.PAGE, sinks.PAGE)
FOLDER = Path(__file__).parents[1] / "chart/files/dashboards"


def text_of(page: Page) -> str:
    return json.dumps(page.json(), indent=2) + "\n"


if __name__ == "__main__":
    for page in PAGES:
        (FOLDER / f"{page.name}.json").write_text(text_of(page), encoding="utf-8")
