"""`relay demo` as people see it: piped into a program, and at a terminal."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

import relay

ROOT = Path(relay.__file__).parents[1]
EVENT = re.compile(r"\S+Z zendesk\.job\.[a-z]+ demo/V3-[0-9a-f]{32} state=\w+( \w+=\S+)*")
PATIENCE_SECONDS = 40.0


def demo(folder, *arguments, **streams):
    return subprocess.Popen(
        [sys.executable, "-m", "relay", "demo", *arguments],
        cwd=folder, start_new_session=True, **streams,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "TERM": "xterm-256color"},
    )  # fmt: skip


def assert_nothing_is_left(process, folder):
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert list(folder.iterdir()) == []


def test_piped_it_prints_one_event_per_line_and_ends_in_time(tmp_path):
    process = demo(tmp_path, "--seconds", "6", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    lines = out.splitlines()
    assert process.returncode == 0
    assert lines
    assert all(EVENT.fullmatch(line) for line in lines)
    assert f"{len(lines)} events delivered" in err
    assert_nothing_is_left(process, tmp_path)


def test_at_a_terminal_it_shows_jobs_and_events_until_interrupted(tmp_path):
    terminal, screen = os.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = demo(tmp_path, stdin=screen, stdout=screen, stderr=screen)
    os.close(screen)
    try:
        shown = read_until(terminal, r"\d\d:\d\d:\d\d .*started")
        assert "/v1/jobs" in shown
        process.send_signal(signal.SIGINT)
        shown = read_until(terminal, r"requests to Zendesk; each job by itself.*\n")
        assert "\x1b[?1049l" in shown  # the screen from before
        assert "\x1b[?25h" in shown  # the cursor
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert_nothing_is_left(process, tmp_path)


def read_until(terminal, pattern):
    """What the terminal shows up to where the pattern is found."""
    shown, deadline = "", time.monotonic() + PATIENCE_SECONDS
    while not re.search(pattern, shown):
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing like {pattern} in {shown!r}"
        shown += os.read(terminal, 65_536).decode(errors="replace")
    return shown
