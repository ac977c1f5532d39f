"""What commands write to: a terminal a person looks at, or a stream that another program reads."""

import os
import signal
import sys

from rich.console import Console
from rich.text import Text

COLOURS = {
    "ok": "green",
    "created": "green",
    "retrying": "green",
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


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Nobody reads on, as behind `| head`: end quietly, and in order where a signal is waited for."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            raise SystemExit(1)
        signal.raise_signal(signal.SIGTERM)


def console(*, errors: bool = False) -> Console:
    """Standard output, or standard error. What is printed is taken as it is: no markup, no guesses at colours."""
    return _Output(file=sys.stderr if errors else sys.stdout, highlight=False, markup=False, emoji=False)


def say(to: Console, *parts: str | tuple[str, str]) -> None:
    """One line of text, or of (text, style), however long: a line for a program stays a line."""
    to.print(Text.assemble(*parts), soft_wrap=True)
