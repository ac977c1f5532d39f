"""The table of log events in the documents is what the code says: names, levels, and no field left out."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z, ]+) \| (.*?) ?\| (\S.*) \|$", re.MULTILINE)
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")
LEVELS = {
    **{level: {level} for level in ("debug", "info", "warning", "error")},
    "exception": {"error"},
    "_say": {"info"},  # of the poll loop
    "_emit": {"info"},  # of the log sink
    "say": {"warning", "error"},  # of what libraries say
}
"""By the name of the method that is called."""


def documented():
    return {
        event: (set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields)))
        for event, levels, fields, _ in ROW.findall((ROOT / "docs/logs.md").read_text())
    }


def said():
    """By event its levels, and the fields that are named where it is said."""
    found = defaultdict(lambda: (set(), set()))
    for path in (ROOT / "relay").rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            method = getattr(call.func, "attr", getattr(call.func, "id", None))
            for event in filter(EVENT.fullmatch, texts(call) if method in LEVELS else ()):
                levels, fields = found[event]
                levels |= LEVELS[method]
                fields |= fields_of(call)
    return dict(found)


def texts(call):
    return [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def fields_of(call):
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    if "extra" in named:
        return {key.value for key in named["extra"].keys}
    return {"exception" if name == "exc_info" else name for name in named}


def test_every_event_is_in_the_table_with_its_level_and_its_fields():
    table, code = documented(), said()
    assert table.keys() == code.keys()
    for event, (levels, fields) in code.items():
        assert table[event][0] == levels, event
        assert table[event][1] >= fields, event


def test_the_table_is_sorted_and_says_each_once():
    events = [event for event, *_ in ROW.findall((ROOT / "docs/logs.md").read_text())]
    assert events == sorted(set(events))


def test_alerts_that_the_table_names_have_a_runbook():
    named = set(re.findall(r"\bRelay[A-Z]\w+", (ROOT / "docs/logs.md").read_text()))
    assert named <= set(re.findall(r"^## (\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE))
