import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import relay
from relay import __main__, __version__
from relay.errors import ConfigError, LedgerUnusable, RelayError


@pytest.fixture
def command(monkeypatch):
    """A command of ours in place of the real ones: `command(what)` returns it, or raises it."""

    def replace(what):
        def run(**_):
            if isinstance(what, BaseException):
                raise what
            return what

        monkeypatch.setattr(__main__, "import_module", lambda _: SimpleNamespace(run=run))
        return __main__.main(["secret"])

    return replace


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (0, 0),
        (1, 1),
        (RelayError("no luck"), 1),
        (ConfigError("config.yaml:3: no"), 2),
        (LedgerUnusable("locked"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(command, capsys, what, code):
    assert command(what) == code
    error = capsys.readouterr().err
    assert error == (f"{what}\n" if isinstance(what, RelayError) else "")


class TestSignalsWhileACommandIsLoaded:
    @pytest.fixture
    def waiting(self, monkeypatch):
        """What has come by then, and waits."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

        def signalled(command, number):
            run = SimpleNamespace(run=lambda **_: 0)
            monkeypatch.setattr(__main__, "import_module", lambda _: signal.raise_signal(number) or run)
            assert __main__.main([command]) == 0
            assert signal.sigpending() == {number}
            return signal.sigwait({number})

        yield signalled
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @pytest.mark.parametrize("command", ["serve", "simulate", "demo", "receive"])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_to_be_told_to_end_waits(self, waiting, command, number):
        assert waiting(command, number) == number

    def test_a_hangup_waits_for_the_service(self, waiting):
        assert waiting("serve", signal.SIGHUP) == signal.SIGHUP


def test_a_bug_is_not_hidden(command):
    with pytest.raises(ZeroDivisionError):
        command(ZeroDivisionError())


def test_a_bug_among_broken_pipes_is_not_hidden(command):
    with pytest.raises(ExceptionGroup):
        command(ExceptionGroup("", [BrokenPipeError(), ZeroDivisionError()]))


def test_without_a_command_it_helps_and_exits_2(capsys):
    assert __main__.main([]) == 2
    assert "relay demo" in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        __main__.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"relay {__version__}\n"


def test_help_loads_nothing_that_takes_long():
    code = "import sys, relay.__main__ as m; m.parser({}); print(*sys.modules)"
    root = Path(relay.__file__).parents[1]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert not {"aiohttp", "asyncio", "pydantic", "rich", "yaml"} & set(loaded.stdout.split())


def test_where_there_is_no_room_for_the_output_it_says_so():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "relay", "secret"], check=False, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "not all could be written: No space left on device\n")
