"""Structured logs on standard output: JSON lines for machines, readable ones for a person at a terminal."""

import logging
import sys
from typing import Any, TextIO

import orjson
import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(*, style: str, level: str, stream: TextIO = sys.stdout) -> Any:  # noqa: ANN401 - structlog's own type
    """A logger. `style`: json or console; json turns to console where a person looks on. `level`: see LEVELS."""
    readable = style == "console" or stream.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)
        if readable
        else structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode())
    )
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if readable else "iso", utc=not readable),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    return logger


class _Bridge(logging.Handler):
    """What libraries have to say at warning level and above goes the same way, one line each."""

    def __init__(self, logger: Any) -> None:  # noqa: ANN401 - structlog's own type
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        self._logger.warning("library.warned", logger=record.name, message=record.getMessage())
