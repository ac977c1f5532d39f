"""Structured logs on standard output: JSON lines for machines, readable ones for a person at a terminal."""

import json
import logging
import sys
from typing import Any, TextIO

import orjson
import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
OURS = "relay."
OF_ALL_RECORDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure(*, style: str, level: str, stream: TextIO | None = None, colours: bool = True) -> Any:  # noqa: ANN401 - structlog's own type
    """A logger. `style`: json or console; json turns to console where a person looks on. `level`: see LEVELS.

    `colours`: at a terminal.
    """
    stream = sys.stdout if stream is None else stream
    readable = style == "console" or stream.isatty()
    logger = structlog.wrap_logger(
        _Lines(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if readable else "iso", utc=not readable),
            *(_console(colors=colours and stream.isatty()) if readable else _json()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    return logger


def _console(*, colors: bool) -> list[Any]:
    return [
        structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24, exception_formatter=structlog.dev.plain_traceback)
    ]


def _json() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]


def _dumps(value: Any, **_: Any) -> str:  # noqa: ANN401 - structlog's own signature
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # a whole number above 64 bits, a lone surrogate: no reason to lose the line
        return json.dumps(value, default=str)


class _Lines:
    """Lines on a stream. One that finds no room (a full disk) is lost: an outage of the log must not stop relay.

    A pipe that nobody reads any more is another matter: whoever cut it wants us to end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            print(line, file=self._stream, flush=True)
        except BrokenPipeError:
            raise
        except OSError:
            pass

    debug = info = warning = error = critical = exception = msg


class _Bridge(logging.Handler):
    """What libraries have to say at warning level and above goes the same way, with its traceback.

    What a part of relay says like that, for want of a logger of its own, keeps its event and its fields.
    """

    def __init__(self, logger: Any) -> None:  # noqa: ANN401 - structlog's own type
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a library whose arguments do not fit its text
            message = str(record.msg)
        say = self._logger.error if record.levelno >= logging.ERROR else self._logger.warning
        if record.name.startswith(OURS):
            fields = {key: value for key, value in vars(record).items() if key not in OF_ALL_RECORDS}
            say(message, exc_info=record.exc_info, **fields)
        else:
            say("library.warned", logger=record.name, message=message, exc_info=record.exc_info)
