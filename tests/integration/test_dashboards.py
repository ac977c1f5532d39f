"""Every query of every dashboard, asked of a real Prometheus that scrapes a real relay under load."""

import asyncio
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
import yaml
from dashboards.prometheus import SCRAPE_SECONDS, prometheus
from dashboards.queries import ROOT, RULES, choices, pages, panels, queries
from dashboards.scene import scene

from deploy.dashboards.__main__ import FOLDER, PAGES, text_of

DOCUMENTED = ROOT / "docs/metrics.md"
PATIENCE_SECONDS = 60.0
BACK_SECONDS = 10.0
MAY_BE_EMPTY = frozenset[str]()
"""Queries that are in order without data. It is better to let the scene make some."""

pytestmark = pytest.mark.timeout(300)  # of a busy machine; it takes ten seconds on a quiet one


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """`empty`: what has had no data in all the time. `rules`: as Prometheus tells of them. `values`: by label.

    `page`: relay's own, of its metrics.
    """

    empty: Sequence[str]
    rules: Sequence[Mapping[str, object]]
    values: Mapping[str, Sequence[str]]
    page: str


@pytest.fixture(scope="module")
def watched(require, tmp_path_factory):
    return asyncio.run(watch(require("prometheus"), tmp_path_factory.mktemp("watched")))


async def watch(program, folder):
    async with scene(folder) as at, prometheus(program, folder, at.url, RULES) as server:
        empty, deadline = list(queries()), time.monotonic() + PATIENCE_SECONDS
        while empty and time.monotonic() < deadline:
            await asyncio.sleep(1.0)
            empty = [one for one in empty if not await has_data(server, one)]
        groups = (await server.ask("rules"))["groups"]
        return Watched(
            empty=[str(one) for one in empty],
            rules=[rule for group in groups for rule in group["rules"]],
            values={
                label: await server.ask(f"label/{label}/values", {"match[]": selector}) for selector, label in choices()
            },
            page=await at.metrics(),
        )


async def has_data(server, asked):
    now = time.time()
    expression = asked.at_pace(4 * SCRAPE_SECONDS)
    course = await server.course(expression, start=now - BACK_SECONDS, end=now, step=SCRAPE_SECONDS)
    return any(math.isfinite(float(value)) for series in course for _, value in series["values"])


def test_every_query_has_data(watched):
    assert set(watched.empty) <= MAY_BE_EMPTY


def test_every_rule_is_evaluated_without_a_fault(watched):
    assert {rule["health"] for rule in watched.rules} == {"ok"}
    recorded = {rule["name"] for rule in watched.rules if rule["type"] == "recording"}
    assert recorded == set(re.findall(r"- record: (\S+)", "".join(path.read_text() for path in RULES)))


def test_what_may_be_chosen_is_there(watched):
    assert watched.values["job"] == ["relay"]
    assert watched.values["account"] == ["acme", "globex", "hooli", "initech"]
    assert watched.values["sink"] == ["archive", "audit", "console", "orders"]


def test_the_committed_files_are_what_the_generator_makes():
    assert {path.name for path in FOLDER.glob("*.json")} == {f"{page.name}.json" for page in PAGES}
    for page in PAGES:
        assert (FOLDER / f"{page.name}.json").read_text() == text_of(page), "python -m deploy.dashboards"


def test_every_panel_says_what_it_shows_and_leads_to_a_runbook_that_is_there():
    sections = set(re.findall(r"^## (\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE))
    for page in pages().values():
        assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"])
        for panel in panels(page):
            assert panel["description"].endswith((".", "`."))
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert {link["url"] for link in panel["links"]} <= {f"${{runbooks}}#{name.lower()}" for name in sections}


def test_bounds_that_queries_and_rules_name_are_bounds_of_the_histograms(watched):
    """Or there would never be data, and no fault either."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    asked = " ".join([*rules, *(one.expression for one in queries())])
    bounds = set(re.findall(r'(\w+_bucket)\{[^}]*le="([^"]+)"', asked))
    assert bounds >= {("relay_detection_lag_seconds_bucket", "10.0"), ("relay_ledger_commit_seconds_bucket", "1.0")}
    assert bounds <= set(re.findall(r'^(\w+_bucket)\{.*le="([^"]+)"', watched.page, re.MULTILINE))


def test_the_table_of_metrics_is_what_a_relay_exports(watched):
    table = re.findall(r"^\| `(relay_\w+)` \| (\w+) \| (.*?) ?\| \S", DOCUMENTED.read_text(), re.MULTILINE)
    kinds = dict(re.findall(r"^# TYPE (relay_\w+) (\w+)$", watched.page, re.MULTILINE))
    assert {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in table} == {
        name: (kind, labels_of(name, watched.page)) for name, kind in kinds.items()
    }


def labels_of(name, page):
    """But for those of a histogram's buckets."""
    samples = re.findall(rf"^{name}(?:_count|_sum)?(?:\{{(.*)\}})? \S+$", page, re.MULTILINE)
    assert samples, name
    return {label for sample in samples for label in re.findall(r'(\w+)="', sample)}
