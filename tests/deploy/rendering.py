"""The chart, rendered by helm as an installation would have it."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*.yaml"))
KUBERNETES = ("1.27", "1.32", "1.37")  # the oldest that the chart takes, the newest, and one between

Manifest = Mapping[str, Any]

_HELM_SECONDS_MAX = 60


class RefusedError(Exception):
    """Helm refused the values; the text is what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """`program`: its path."""

    program: Path
    chart: Path = CHART

    def render(self, *files: Path) -> Sequence[Manifest]:
        """What the chart makes of these value files, the last ones strongest. Raises RefusedError."""
        return _rendered(self.program, self.chart, files)

    def lint(self, *files: Path) -> str:
        """Raises RefusedError."""
        return _run(self.program, "lint", "--strict", str(self.chart), *_values(files))


@cache
def _rendered(program: Path, chart: Path, files: Sequence[Path]) -> Sequence[Manifest]:
    options = ("--namespace=relay", f"--kube-version={KUBERNETES[-1]}", *_values(files))
    text = _run(program, "template", "relay", str(chart), *options)
    return [manifest for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader) if manifest]


def _values(files: Sequence[Path]) -> Sequence[str]:
    return [f"--values={file}" for file in files]


def _run(program: Path, *arguments: str) -> str:
    ended = subprocess.run(
        (str(program), *arguments), capture_output=True, text=True, timeout=_HELM_SECONDS_MAX, check=False
    )
    if ended.returncode != 0:
        raise RefusedError(ended.stderr)
    return ended.stdout


def one(manifests: Sequence[Manifest], kind: str) -> Manifest:
    (found,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


def workload(manifests: Sequence[Manifest]) -> Manifest:
    """The StatefulSet or the Deployment; there is one of them."""
    (found,) = (manifest for manifest in manifests if manifest["kind"] in {"StatefulSet", "Deployment"})
    return found


def pods(manifests: Sequence[Manifest]) -> Sequence[Manifest]:
    """Those of the workload, and of the job that comes before it if there is one."""
    owners = [manifest for manifest in manifests if "template" in manifest.get("spec", {})]
    return [owner["spec"]["template"]["spec"] for owner in owners]


def pod(manifests: Sequence[Manifest]) -> Manifest:
    """Of the workload."""
    spec: Manifest = workload(manifests)["spec"]["template"]["spec"]
    return spec


def containers(*pods: Manifest) -> Sequence[Manifest]:
    """Of these pods, in the order in which they start."""
    return [container for pod in pods for container in (*pod.get("initContainers", ()), *pod["containers"])]


def configuration(manifests: Sequence[Manifest]) -> str:
    """The text of relay's config.yaml."""
    (volume,) = (volume for volume in pod(manifests)["volumes"] if volume["name"] == "config")
    (found,) = (one for one in manifests if one["metadata"]["name"] == volume["configMap"]["name"] and "data" in one)
    text: str = found["data"]["config.yaml"]
    return text
