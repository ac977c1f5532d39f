"""What docs/kubernetes.md and the READMEs tell people to write and to run is there, and does what they say."""

import re
import shlex
from pathlib import Path

import pytest
from deploy.rendering import ROOT

from relay.app.arguments import parser

DOCUMENT = ROOT / "docs" / "kubernetes.md"
DOCUMENTS = [DOCUMENT, ROOT / "deploy" / "chart" / "README.md", ROOT / "deploy" / "compose" / "README.md"]
VALUES = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)

in_each = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.parent.name)


def commands(path):
    """What is to be typed into a shell, a command each."""
    for block in re.findall(r"^```sh\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from re.split(r"\s(?:&&|\||&)(?:\s|$)", line)


@pytest.mark.parametrize("text", VALUES, ids=lambda text: text.partition(":")[0])
def test_the_values_in_it_can_be_installed(helm, text, tmp_path):
    """Those that are no whole file, beside the minimal example."""
    values = tmp_path / "relay.yaml"
    values.write_text(text)
    whole = "image:" in text
    assert helm.render(*([] if whole else [ROOT / "deploy" / "examples" / "embedded-minimal.yaml"]), values)


@in_each
def test_the_commands_of_relay_in_it_are_commands_of_relay(path):
    for command in commands(path):
        found = re.search(r"(?:^|[A-Z]=\S+ |-- )relay (.+?)(?:\s#.*)?$", command)
        if found is not None:
            assert parser({}).parse_args(shlex.split(found[1])).command


@in_each
def test_the_files_that_it_names_are_there(path: Path):
    text = path.read_text()
    for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text):
        assert (path.parent / link).exists(), link
    for named in re.findall(r"(?<![\w/.])(?:deploy|docs|tests)/[\w./-]*[\w/]", re.sub(r"\]\([^)]*\)", "", text)):
        assert (ROOT / named).exists(), named


def test_the_table_of_troubles_names_what_is_there(render):
    """The claim by which people find the record is the one that the chart makes."""
    (stateful,) = (each for each in render("embedded-minimal") if each["kind"] == "StatefulSet")
    claim = f"{stateful['spec']['volumeClaimTemplates'][0]['metadata']['name']}-{stateful['metadata']['name']}-0"
    assert set(re.findall(r"\bdata-[\w-]+", DOCUMENT.read_text())) == {claim}
