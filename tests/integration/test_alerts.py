"""The alert rules as Prometheus takes them: each fires for its cause, alone, and is quiet otherwise."""

import re
import subprocess
from itertools import product
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "deploy/chart/files/alerts").glob("*.yaml"))
CASES = sorted((ROOT / "tests/integration/alerts").glob("*.yaml"))
RUNBOOKS = ROOT / "docs/runbooks.md"
PARTS = ("What it means", "How to see", "What to do")


def rules(kind):
    """All of the kind (alert or record), from all files."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def cases():
    return [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]


def fires(case, alert):
    """At any of the times at which the case looks."""
    samples = [sample for look in case["promql_expr_test"] for sample in look.get("exp_samples", ())]
    return any(f'ALERTS{{alertname="{alert}"' in sample["labels"] for sample in samples)


def promtool(require, *arguments):
    ended = subprocess.run([require("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_prometheus_takes_the_rules(require):
    promtool(require, "check", "rules", *RULES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alerts_fire_for_their_cause_and_are_quiet_otherwise(require, path):
    promtool(require, "test", "rules", path)


def test_each_alert_has_a_firing_and_a_quiet_case():
    """A case is named after the alert and what becomes of it; the alerts that it expects must agree."""
    wanted = {f"{rule['alert']}, {how}" for rule, how in product(rules("alert"), ("firing", "quiet"))}
    assert {case["name"].partition(":")[0] for case in cases()} == wanted
    for case in cases():
        alert, how = case["name"].partition(":")[0].split(", ")
        assert fires(case, alert) is (how == "firing"), case["name"]


def test_each_alert_says_what_is_wrong_and_leads_to_its_runbook():
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS.read_text(), re.MULTILINE | re.DOTALL))
    alerts = {rule["alert"]: rule for rule in rules("alert")}
    assert list(sections) == list(alerts)
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        assert [part for part in PARTS if f"**{part}.**" in sections[name]] == list(PARTS), name
