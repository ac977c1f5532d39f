"""What the examples of docs/receiving.md import, fetched once through npm and Go and kept outside the work tree.

The versions and their checksums stand in package-lock.json and go.sum. Go keeps its own copies where it always does.
"""

import hashlib
import shutil
from pathlib import Path

from kept import cache, kept, printed, said

HERE = Path(__file__).parent
NODE = ("package.json", "package-lock.json")
GO = ("go.mod", "go.sum")
FETCH_SECONDS_MAX = 300


def node() -> Path:
    """The folder `node_modules`, fetched if it is not there yet. Raises NotFetchedError."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    return kept(cache() / f"receiving-{digest[:12]}" / "node_modules", _node)


def _node(scratch: Path) -> Path:
    for name in NODE:
        shutil.copyfile(HERE / name, scratch / name)
    printed("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=scratch, seconds_max=FETCH_SECONDS_MAX)
    return scratch / "node_modules"


def go() -> tuple[Path, ...]:
    """What a module needs to be built without a network: these files of it. Raises NotFetchedError."""
    # Which does nothing where Go has them already.
    printed("go", "mod", "download", cwd=HERE, seconds_max=FETCH_SECONDS_MAX, GOWORK="off")
    return tuple(HERE / name for name in GO)


def main() -> None:
    """`make test` begins with this, so that a person sees what will be skipped. It takes some seconds at most."""
    for language, fetch in (("Node", node), ("Go", go)):
        said(fetch, f"The receivers of docs/receiving.md in {language} are not tried.")


if __name__ == "__main__":
    main()
