"""A file that is there whole, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relay.errors import ConfigError, RelayError


@contextmanager
def written_whole(path: Path, *, force: bool) -> Iterator[Path]:
    """An empty file beside it, for its owner only, to be filled. At the end of the context it survives a loss of power
    and takes the name, in place of what is there with `force`; if the context fails, it goes.

    Raises ConfigError: there is something already, or nothing can be written there.
    """
    if not force and os.path.lexists(path):
        raise _taken(path)
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file in it")
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
    part = Path(name)
    try:
        yield part
        _keep(descriptor, part, path, force=force)
    finally:
        os.close(descriptor)
        part.unlink(missing_ok=True)


def _keep(descriptor: int, part: Path, path: Path, *, force: bool) -> None:
    try:
        os.fsync(descriptor)
        _name(part, path, force=force)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise RelayError(f"{path}: cannot be written: {error.strerror or error}") from error


def _name(part: Path, path: Path, *, force: bool) -> None:
    """Raises FileExistsError: somebody was faster, and is left alone."""
    if not force:
        try:
            path.hardlink_to(part)
        except PermissionError:  # a file system without links
            if os.path.lexists(path):
                raise FileExistsError(path) from None
        else:
            return
    part.replace(path)


def _taken(path: Path) -> ConfigError:
    return ConfigError(f"{path}: there is one already; --force replaces it")
