import os
import signal
from contextlib import contextmanager, redirect_stdout

import pytest

from relay.app.terminal import console, say


def test_what_is_said_is_said_as_it_is_on_one_line(capsys):
    text = "[bold]:smile: 127.0.0.1 " * 20
    say(console(), text)
    say(console(errors=True), ("failed", "red"), " in words")
    assert capsys.readouterr() == (f"{text}\n", "failed in words\n")


@contextmanager
def nobody_reads():
    """Standard output is a pipe that was closed at the other end."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out, redirect_stdout(out):
        yield


def test_where_nobody_reads_a_command_ends():
    with nobody_reads():
        with pytest.raises(SystemExit) as exit_:
            say(console(), "x")
        print("what is still written goes nowhere, and fails nothing", flush=True)
    assert exit_.value.code == 1


def test_where_nobody_reads_a_command_that_waits_for_a_signal_gets_one():
    received = []
    before = signal.signal(signal.SIGTERM, lambda *_: received.append(True))
    try:
        with nobody_reads():
            say(console(), "x")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [True]
