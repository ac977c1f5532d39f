import errno
import io
import json
import logging
from datetime import datetime

import pytest

from relay.ops.logging import configure


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def root_logger():
    """`configure` takes over the root logger, as a service must; the tests give it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def json_log(level="debug"):
    stream = io.StringIO()
    return configure(style="json", level=level, stream=stream), stream


class TestJson:
    def test_one_object_a_line_with_level_and_utc_time(self):
        log, stream = json_log()
        log.info("service.started", jobs=3, listen="http://127.0.0.1:8080", reason=None)
        (line,) = lines(stream)
        moment = datetime.fromisoformat(line.pop("timestamp"))
        assert moment.utcoffset().total_seconds() == 0
        assert line == {
            "event": "service.started",
            "level": "info",
            "jobs": 3,
            "listen": "http://127.0.0.1:8080",
            "reason": None,
        }

    def test_text_of_several_lines_stays_on_one(self):
        log, stream = json_log()
        log.warning("account.paused", detail="a\nb\r\nc")
        assert [line["detail"] for line in lines(stream)] == ["a\nb\r\nc"]

    @pytest.mark.parametrize("value", [2**70, "\ud800", object(), {1: 2}, {"a": {3}}], ids=repr)
    def test_no_value_loses_the_line(self, value):
        log, stream = json_log()
        log.info("odd.value", value=value)
        assert lines(stream)[0]["event"] == "odd.value"

    def test_an_exception_comes_with_its_traceback(self):
        log, stream = json_log()
        try:
            int("boom")
        except ValueError:
            log.exception("service.failed")
        (line,) = lines(stream)
        assert (line["level"], line["event"]) == ("error", "service.failed")
        assert "ValueError: invalid literal" in line["exception"]

    @pytest.mark.parametrize(
        ("level", "said"),
        [
            ("debug", ["debug", "info", "warning", "error"]),
            ("info", ["info", "warning", "error"]),
            ("warning", ["warning", "error"]),
            ("error", ["error"]),
        ],
    )
    def test_less_than_the_level_is_not_said(self, level, said):
        log, stream = json_log(level)
        for one in ("debug", "info", "warning", "error"):
            getattr(log, one)("some.event")
        assert [line["level"] for line in lines(stream)] == said


class TestConsole:
    def test_it_is_readable_and_without_colours_where_nobody_looks_on(self):
        stream = io.StringIO()
        configure(style="console", level="info", stream=stream).info("service.started", jobs=3)
        (line,) = stream.getvalue().splitlines()
        assert "service.started" in line
        assert "jobs=3" in line
        assert "\x1b[" not in line

    def test_json_turns_into_it_where_a_person_looks_on(self):
        stream = Terminal()
        configure(style="json", level="info", stream=stream).info("service.started", jobs=3)
        assert not stream.getvalue().startswith("{")
        assert "\x1b[" in stream.getvalue()

    def test_colours_can_be_left_out(self):
        stream = Terminal()
        configure(style="json", level="info", stream=stream, colours=False).info("service.started", jobs=3)
        assert "jobs=3" in stream.getvalue()
        assert "\x1b[" not in stream.getvalue()

    def test_an_exception_comes_with_its_traceback(self):
        stream = io.StringIO()
        log = configure(style="console", level="info", stream=stream)
        try:
            int("boom")
        except ValueError:
            log.exception("service.failed")
        assert "ValueError: invalid literal" in stream.getvalue()


def test_by_default_it_goes_to_standard_output_as_it_is_now(capsys):
    configure(style="json", level="info").info("service.started")
    assert json.loads(capsys.readouterr().out)["event"] == "service.started"


class TestLibraries:
    """What libraries say through `logging` goes the same way."""

    def test_their_warnings_are_lines_like_ours(self):
        _, stream = json_log()
        logging.getLogger("aiohttp.access").info("GET /")
        logging.getLogger("aiohttp.client").warning("Unclosed %s", "session")
        (line,) = lines(stream)
        line.pop("timestamp")
        assert line == {
            "event": "library.warned",
            "level": "warning",
            "logger": "aiohttp.client",
            "message": "Unclosed session",
        }

    def test_their_errors_keep_level_and_traceback(self):
        _, stream = json_log(level="error")
        try:
            int("boom")
        except ValueError:
            logging.getLogger("aiohttp.server").exception("Error handling request")
        (line,) = lines(stream)
        assert (line["level"], line["message"]) == ("error", "Error handling request")
        assert "ValueError: invalid literal" in line["exception"]

    def test_what_is_ours_keeps_its_event_and_its_fields(self):
        _, stream = json_log()
        try:
            int("boom")
        except ValueError:
            logging.getLogger("relay.intake.http").exception("intake.http.failed", extra={"route": "/v1/jobs"})
        (line,) = lines(stream)
        assert (line["event"], line["level"], line["route"]) == ("intake.http.failed", "error", "/v1/jobs")
        assert "ValueError: invalid literal" in line["exception"]
        assert line.keys() == {"event", "level", "timestamp", "route", "exception"}

    def test_a_line_whose_arguments_do_not_fit_is_said_all_the_same(self):
        _, stream = json_log()
        logging.getLogger("sloppy").warning("%d of %d", "one")  # noqa: PLE1206 - that is the point
        assert lines(stream)[0]["message"] == "%d of %d"


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_finds_no_room_is_lost_and_nothing_else():
    """A full disk restarts nobody, also where standard output is a file on it."""
    configure(style="json", level="info", stream=FullDisk()).info("one.line")


def test_a_pipe_that_nobody_reads_ends_the_process():
    """`relay serve | head` ends."""

    class Cut(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        configure(style="json", level="info", stream=Cut()).info("one.line")
