"""What the examples of docs/receiving.md import, fetched once through npm and Go and kept outside the work tree.

The versions and their checksums stand in package-lock.json and go.sum. Go keeps its own copies where it always does.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from kept import NotFetchedError, cache, kept

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
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=scratch)
    return scratch / "node_modules"


def go() -> tuple[Path, ...]:
    """What a module needs to be built without a network: these files of it. Raises NotFetchedError."""
    _run("go", "mod", "download", cwd=HERE)  # which does nothing where Go has them already
    return tuple(HERE / name for name in GO)


def _run(*command: str, cwd: Path) -> None:
    env = {**os.environ, "GOWORK": "off"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS_MAX
        )
    except FileNotFoundError:
        raise NotFetchedError(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        raise NotFetchedError(f"{' '.join(command[:3])}: {(done.stderr or done.stdout)[-1000:]}")


def main() -> None:
    """`make test` begins with this, so that a person sees what will be skipped. It takes some seconds at most."""
    for language, fetch in (("Node", node), ("Go", go)):
        try:
            fetch()
        except NotFetchedError as error:
            print(f"{error}\nThe receivers of docs/receiving.md in {language} are not tried.", flush=True)


if __name__ == "__main__":
    main()
