"""What helm prints after an installation names what is there."""

import shutil

import pytest
import yaml
from deploy.rendering import CHART, EXAMPLES, Helm, workload

SHOWN = '{{- define "notes" -}}\n%s\n{{- end -}}\nkind: Notes\nnotes: {{ include "notes" . | toJson }}\n'


@pytest.fixture(scope="module")
def chart_that_shows_its_notes(tmp_path_factory):
    """Helm shows them to a cluster only."""
    chart = tmp_path_factory.mktemp("notes") / "chart"
    shutil.copytree(CHART, chart)
    notes = chart / "templates" / "NOTES.txt"
    (chart / "templates" / "notes.yaml").write_text(SHOWN % notes.read_text())
    return chart


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_notes_name_what_was_installed(helm, chart_that_shows_its_notes, example):
    shown = Helm(program=helm.program, chart=chart_that_shows_its_notes).render(example)
    notes = next(manifest["notes"] for manifest in shown if manifest["kind"] == "Notes")
    manifests = helm.render(example)
    there = {f"{manifest['kind'].lower()}/{manifest['metadata']['name']}" for manifest in manifests}
    commands = [line for line in notes.splitlines() if "kubectl" in line]
    assert len(commands) >= 3
    for command in commands:
        assert there & set(command.split()), command
    assert f"{workload(manifests)['kind'].lower()}/relay -- relay check" in notes
    hosts = yaml.safe_load(example.read_text())
    for host in (*hosts.get("ingress", {}).get("hosts", ()), *hosts.get("httpRoute", {}).get("hostnames", ())):
        assert f"https://{host} " in notes
