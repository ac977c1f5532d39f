"""The command line: parse, run the command, turn what it raises into an exit code."""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from relay.app.arguments import parser
from relay.errors import ConfigError, RelayError

FAILED, USAGE = 1, 2
TOLD_TO_END = frozenset({signal.SIGTERM, signal.SIGINT})
LISTENING = {  # what each command listens to while it runs
    "serve": TOLD_TO_END | {signal.SIGHUP},
    "simulate": TOLD_TO_END,
    "demo": TOLD_TO_END,
    "receive": TOLD_TO_END,
}
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code. `argv`: without the program's name; None: the process's own."""
    grammar = parser(os.environ)
    arguments = vars(grammar.parse_args(argv))
    command = arguments.pop("command")
    if command is None:
        grammar.print_help(sys.stderr)
        return USAGE
    # While a command is being loaded signals wait for it: what is imported does not take being interrupted well.
    signal.pthread_sigmask(signal.SIG_BLOCK, LISTENING.get(command, ()))
    try:
        code = _run(command, arguments)
        sys.stdout.flush()
    except (BrokenPipeError, ExceptionGroup) as error:
        if not _is_broken_pipe(error):
            raise
        _write_nothing_more()  # whoever read our output has seen enough
        return FAILED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _write_nothing_more()
        print(f"not all could be written: {error.strerror}", file=sys.stderr)
        return FAILED
    return code


def _write_nothing_more() -> None:
    """Python flushes once more at its end, and that must not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_broken_pipe(error: BrokenPipeError | ExceptionGroup[Exception]) -> bool:
    return isinstance(error, BrokenPipeError) or error.split(BrokenPipeError)[1] is None


def _run(command: str, arguments: dict[str, object]) -> int:
    try:
        # Imported when it is needed: nobody waits for a web server to be loaded before reading `relay --help`.
        code: int = import_module(f"relay.app.commands.{command}").run(**arguments)
    except RelayError as error:
        print(error, file=sys.stderr)
        return USAGE if isinstance(error, ConfigError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
