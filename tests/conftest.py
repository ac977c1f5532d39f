import contextlib
import os
import shutil
import socket
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["kafka.fixtures"]

hypothesis.settings.register_profile("relay", deadline=None)  # a busy machine is no fault of the code
hypothesis.settings.load_profile("relay")

DESCRIPTORS = Path("/proc/self/fd")  # Linux; elsewhere the guard below looks at nothing


@pytest.fixture(scope="session")
def lacking():
    """What to call when a test lacks something, and why: it is skipped, or fails if RELAY_REQUIRE_ALL=1."""

    def refuse(why):
        if os.environ.get("RELAY_REQUIRE_ALL") == "1":
            pytest.fail(f"{why}, and RELAY_REQUIRE_ALL=1")
        pytest.skip(why)

    return refuse


@pytest.fixture(scope="session")
def require(lacking):
    """The path of a program that a test needs, which lacks it otherwise."""

    def path_of(program):
        path = shutil.which(program)
        if path is None:
            lacking(f"{program} is not installed")
        return Path(path)

    return path_of


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind():
    """After the last test no socket listens and no child process is left."""
    yield
    assert not list(listening())
    assert not list(children())


def listening():
    """The addresses at which this process listens."""
    for descriptor in DESCRIPTORS.glob("*"):
        try:
            if not str(descriptor.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(descriptor.name))) as found:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield found.getsockname()
        except OSError:
            continue  # closed meanwhile, as the directory's own descriptor is


def children():
    """The ids of this process's children, also of those that have ended and that nobody has waited for."""
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended meanwhile
            yield from map(int, task.read_text().split())
