"""What tests need and this repository does not hold is fetched once, and kept outside the work tree."""

import os
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
