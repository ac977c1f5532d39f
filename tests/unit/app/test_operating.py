"""docs/operating.md: what it tells people to run is understood, and what it points to is there."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

import relay
from relay.app.arguments import parser
from relay.config import load

DOCS = Path(relay.__file__).parents[1] / "docs"
TEXT = (DOCS / "operating.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
LINES = [line.partition(" #")[0] for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
COMMANDS = [command.strip() for line in LINES for command in line.split("&&") if command.strip().startswith("relay ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command):
    arguments = vars(parser({}).parse_args(shlex.split(command)[1:]))
    assert arguments["command"]


def test_there_are_some():
    assert {"relay ledger backup /backups/relay.db", "relay check --offline"} <= set(COMMANDS)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT))))
def test_every_link_leads_somewhere(link):
    assert (DOCS / link).exists()


def test_the_configuration_is_one(tmp_path):
    (example,) = (block for kind, block in BLOCKS if kind == "yaml")
    accounts = [{"name": "acme", "base_url": "https://acme.zendesk.com", "auth": {"kind": "bearer", "token": "x"}}]
    path = tmp_path / "kafka.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(example) | {"accounts": accounts}))
    assert load(path, {}).ledger.kind == "kafka"
