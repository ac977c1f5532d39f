"""What tests need and this repository does not hold is fetched once, and kept outside the work tree."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path


class NotFetchedError(RuntimeError):
    """The program that fetches did not get it; the text says why, in its words."""


def cache() -> Path:
    """The folder for all of it, which may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relay"


def kept(place: Path, fetch: Callable[[Path], Path]) -> Path:
    """The file or folder at its place, where it appears whole or not at all.

    `fetch` is called if it is not there: with an empty folder to work in, and returns what it has made there.
    """
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            made = fetch(Path(scratch))
            try:
                made.replace(place)
            except OSError:
                if not place.is_dir():  # else another run was faster
                    raise
    return place


def printed(*command: str, cwd: Path, seconds_max: float, **environ: str) -> str:
    """What a program that fetches prints. `environ`: beside this process's own.

    Raises NotFetchedError: it is not installed, or it failed.
    """
    env = {**os.environ, **environ}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=seconds_max
        )
    except FileNotFoundError:
        raise NotFetchedError(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        raise NotFetchedError(f"{' '.join(command[:2])}: {(done.stderr or done.stdout)[-1000:]}")
    return done.stdout


def said(fetch: Callable[[], object], otherwise: str) -> None:
    """Fetch, and where that fails say why, and what comes of it."""
    try:
        fetch()
    except NotFetchedError as error:
        print(f"{error}\n{otherwise}", flush=True)
