"""What these tests need and Debian does not have, fetched once through Go and kept outside the work tree.

Go verifies the checksums of what it fetches, and keeps its own copies where it always does.
"""

import json
import shutil
from pathlib import Path

from kept import cache, kept, printed, said

HELM = "helm.sh/helm/v3/cmd/helm@v3.18.6"

_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.79.2"
_OPERATOR_SCHEMAS = "example/prometheus-operator-crd"
_GATEWAY = "sigs.k8s.io/gateway-api@v1.2.0"

# Published schemas: the module that each is in, and where.
SCHEMAS = {
    "compose": ("github.com/compose-spec/compose-go/v2@v2.16.2", "schema/compose-spec.json"),
    "ServiceMonitor": (_OPERATOR, f"{_OPERATOR_SCHEMAS}/monitoring.coreos.com_servicemonitors.yaml"),
    "PrometheusRule": (_OPERATOR, f"{_OPERATOR_SCHEMAS}/monitoring.coreos.com_prometheusrules.yaml"),
    "HTTPRoute": (_GATEWAY, "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
}

FETCH_SECONDS_MAX = 900


def helm() -> Path:
    """The program, built if it is not there yet. Raises NotFetchedError."""

    def build(scratch: Path) -> Path:
        _go("install", "-ldflags=-s -w", HELM, cwd=scratch)
        return scratch / "helm"

    return kept(_place(HELM, "helm"), build)


def schema(name: str) -> Path:
    """One of SCHEMAS, fetched if it is not there yet. Raises NotFetchedError."""
    module, path = SCHEMAS[name]

    def fetch(scratch: Path) -> Path:
        folder = Path(json.loads(_go("mod", "download", "-json", module, cwd=scratch))["Dir"])
        return Path(shutil.copyfile(folder / path, scratch / "schema"))

    return kept(_place(module, Path(path).name), fetch)


def fetched() -> bool:
    paths = [_place(HELM, "helm"), *(_place(module, Path(path).name) for module, path in SCHEMAS.values())]
    return all(path.exists() for path in paths)


def _place(module: str, name: str) -> Path:
    return cache() / module.replace("/", "_") / name


def _go(*arguments: str, cwd: Path) -> str:
    return printed("go", *arguments, cwd=cwd, seconds_max=FETCH_SECONDS_MAX, GOBIN=str(cwd), GOWORK="off")


def fetch() -> None:
    """All of it that is not there yet. Raises NotFetchedError."""
    helm()
    for name in SCHEMAS:
        schema(name)


def main() -> None:
    """`make test` begins with this, so that a person sees why it takes a while, or what will be skipped."""
    if fetched():
        return
    if shutil.which("go") is None:
        print("Without go the tests of the chart and of the compose file are skipped.", flush=True)
        return
    print("Building helm with Go (once; this takes some minutes) …", flush=True)
    said(fetch, "The tests of the chart and of the compose file are skipped.")


if __name__ == "__main__":
    main()
