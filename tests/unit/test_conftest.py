"""The rules that `tests/conftest.py` lays on all tests."""

import socket
import subprocess
import sys

import conftest
import pytest


def test_a_missing_program_skips_the_test(require, monkeypatch):
    monkeypatch.delenv("RELAY_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception):
        require("no-such-program")


def test_a_missing_program_fails_the_test_where_everything_is_required(require, monkeypatch):
    monkeypatch.setenv("RELAY_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        require("no-such-program")


def test_whatever_else_a_test_lacks_is_treated_alike(lacking, monkeypatch):
    monkeypatch.delenv("RELAY_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="the broker is away"):
        lacking("the broker is away")
    monkeypatch.setenv("RELAY_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="the broker is away, and RELAY_REQUIRE_ALL=1"):
        lacking("the broker is away")


def test_a_program_that_is_there_is_found(require):
    assert require("sh").name == "sh"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_is_left_behind_is_seen():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname() in list(conftest.listening())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in list(conftest.children())
        child.communicate(b"\n")
    assert child.pid not in list(conftest.children())
