"""What commands write to: a terminal a person looks at, or a stream that another program reads."""

import sys

from rich.console import Console
from rich.text import Text

COLOURS = {
    "ok": "green",
    "created": "green",
    "succeeded": "green",
    "exists": "cyan",
    "warning": "yellow",
    "partially_failed": "yellow",
    "unknown": "magenta",
    "refused": "red",
    "failed": "red",
    "skipped": "dim",
}
"""What every command paints its outcomes and results with."""


def console(*, errors: bool = False) -> Console:
    """Standard output, or standard error. What is printed is taken as it is: no markup, no guesses at colours."""
    return Console(file=sys.stderr if errors else sys.stdout, highlight=False, markup=False, emoji=False)


def say(to: Console, *parts: str | tuple[str, str]) -> None:
    """One line of text, or of (text, style), however long: a line for a program stays a line."""
    to.print(Text.assemble(*parts), soft_wrap=True)
