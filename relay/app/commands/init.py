"""`relay init`: the annotated configuration file, to be edited."""

from pathlib import Path

from relay.app.terminal import console, say
from relay.config import annotated
from relay.errors import ConfigError

NEXT = """\
wrote {path}; it runs as it stands against a Zendesk stand-in on this machine.

next:
  relay simulate                 the stand-in, in a terminal of its own
  relay check{option}
  relay serve{option}
"""


def run(*, file: str | None, config: str | None, default: Path, force: bool) -> int:
    """Raises ConfigError: nothing was written."""
    target = file or config
    if target == "-":
        say(console(), annotated().removesuffix("\n"))
        return 0
    path = Path(target) if target else default
    write(path, force=force)
    say(console(), NEXT.format(path=path, option="" if path == default else f" --config {path}").removesuffix("\n"))
    return 0


def write(path: Path, *, force: bool) -> None:
    """Raises ConfigError: there is a file already (without `force`), or it cannot be written."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(annotated())
    except FileExistsError:
        raise ConfigError(f"{path}: there is one already; --force replaces it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
