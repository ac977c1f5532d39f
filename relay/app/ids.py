"""Ids as commands take them: in the command line, or from whatever another program writes."""

import sys
from collections.abc import Sequence

from relay.errors import ConfigError

STANDARD_INPUT = "-"


def read(given: Sequence[str]) -> list[str]:
    """Each once, in their order; `-` stands for those on standard input, with spaces or line ends between them.

    Raises ConfigError: there is none.
    """
    found: dict[str, None] = {}
    for one in given:
        found |= dict.fromkeys(_standard_input() if one == STANDARD_INPUT else [one])
    if not found:
        raise ConfigError("there is no id on standard input")
    return list(found)


def _standard_input() -> list[str]:
    return sys.stdin.buffer.read().decode(errors="replace").split()
