"""The command line as people use it: real ports, real processes where they live on, what they print, how they end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

import relay
from relay.__main__ import main
from relay.core.signing import Secret, sign

ROOT = Path(relay.__file__).parents[1]
PATIENCE_SECONDS = 30.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
API_KEY = "a-key-that-is-long-enough"


class Command:
    """A process under way; what it prints goes to files in its folder."""

    def __init__(self, folder, *arguments, **environ):
        self._out, self._err = (folder / f"{arguments[0]}.{time.monotonic_ns()}.{name}" for name in ("out", "err"))
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "relay", *arguments],
                cwd=folder, stdout=out, stderr=err, stdin=subprocess.DEVNULL, start_new_session=True,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
            )  # fmt: skip

    @property
    def out(self):
        return self._out.read_text()

    @property
    def err(self):
        return self._err.read_text()

    def says(self, pattern):
        """The match, as soon as it is printed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(pattern, self.out + self.err)):
            assert self._process.poll() is None, f"it has ended: {self.out}{self.err}"
            assert time.monotonic() < deadline, f"nothing like {pattern} in: {self.out}{self.err}"
            time.sleep(0.05)
        return found

    def send(self, number):
        self._process.send_signal(number)
        return self

    def ends(self):
        """The exit code; nothing of the process is left."""
        code = self._process.wait(PATIENCE_SECONDS)
        with pytest.raises(ProcessLookupError):
            os.killpg(self._process.pid, 0)
        return code

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


@contextmanager
def started(folder, *arguments, **environ):
    command = Command(folder, *arguments, **environ)
    try:
        yield command
    finally:
        command.kill()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command to its end, in this process, which saves the start of another: its code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run_(*arguments, **environ):
        with pytest.MonkeyPatch.context() as patch:
            for name in ("RELAY_CONFIG", "RELAY_DATA", "RELAY_LISTEN", "RELAY_URL", "RELAY_API_KEY"):
                patch.delenv(name, raising=False)
            for name, value in environ.items():
                patch.setenv(name, value)
            code = main(arguments)
        return code, *capsys.readouterr()

    return run_


def call(url, body=None, **headers):
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read() or "null")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    """The url of a Zendesk stand-in that takes the token `demo` only."""
    arguments = ("simulate", "--port", "0", "--token", "demo", "--scenario", "calm")
    with started(tmp_path_factory.mktemp("simulator"), *arguments) as command:
        yield command.says(r"listens on (http://\S+)")[1]
        assert command.send(signal.SIGINT).ends() == 0


def jobs(simulator, *fates, work_seconds=0.2):
    """Ids of fresh jobs with these fates."""
    wishes = [{"fate": fate, "queue_seconds": 0, "work_seconds": work_seconds} for fate in fates]
    return [call(f"{simulator}/simulator/jobs", wish)["job_statuses"][0]["id"] for wish in wishes]


def configuration(folder, simulator, *, sinks=(), accounts=(), api_keys=()):
    document = {
        "server": {"listen": "127.0.0.1:0", "api_keys": list(api_keys)},
        "accounts": [account("demo", simulator), *accounts],
        "ledger": {"kind": "sqlite", "path": str(folder / "relay.db")},
        "sinks": [{"name": "console", "kind": "log"}, *sinks],
        "polling": {"fresh_within_seconds": 0.5},
    }
    (folder / "config.yaml").write_text(json.dumps(document))


def account(name, url, token="demo"):
    rate = {"max_requests_per_minute": 600, "share": 1.0}
    auth = {"kind": "bearer", "token": token}
    return {"name": name, "base_url": url, "allow_http": True, "auth": auth, "rate": rate}


def webhook(name, url, **fields):
    return {"name": name, "kind": "webhook", "url": url, "secrets": [SECRET], "allow_http": True, **fields}


@pytest.fixture(scope="module")
def serving(simulator, tmp_path_factory):
    """A relay that runs, with a key: its folder and what `track` needs to call it."""
    folder = tmp_path_factory.mktemp("relay")
    key = {"name": "all", "key": API_KEY, "scopes": ["submit", "read", "admin"]}
    configuration(folder, simulator, api_keys=[key])
    with started(folder, "serve") as command:
        url = command.says(r'"listen":"(http://[^"]+)"')[1]
        yield folder, {"RELAY_URL": url, "RELAY_API_KEY": API_KEY}
        assert command.send(signal.SIGTERM).ends() == 0
        assert "service.stopped" in command.out


def test_init_then_check_against_the_stand_in(run, tmp_path, simulator):
    assert run("init")[0] == 0
    assert run("init")[0] == 2
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text().replace("http://127.0.0.1:8090", simulator))
    before = len(call(f"{simulator}/simulator/requests")["requests"])
    code, out, _ = run("check", RELAY_LISTEN="127.0.0.1:0")
    assert (code, out.splitlines()[-1]) == (0, "all is well")
    assert re.search(r"^ok +account demo: answered in .*; limit 700 requests a minute", out, re.MULTILINE)
    assert re.search(r"^ok +ledger relay\.db: is new", out, re.MULTILINE)
    assert len(call(f"{simulator}/simulator/requests")["requests"]) == before + 1
    assert [file.name for file in tmp_path.iterdir() if "relay.db" in file.name] == []


def test_check_tells_what_is_wrong_and_what_to_do(run, tmp_path, simulator):
    configuration(
        tmp_path,
        simulator,
        accounts=[account("wrong", simulator, token="other"), account("dead", "http://127.0.0.1:9")],
        sinks=[
            webhook("guarded", simulator),
            webhook("open", simulator, allow_private=True),
            webhook("closed", "http://127.0.0.1:9", allow_private=True),
        ],
    )
    before = len(call(f"{simulator}/simulator/requests")["requests"])
    code, out, _ = run("check")
    verdicts = dict(re.findall(r"^\w+ +(?:account|sink) (\w+): (.*)", out, re.MULTILINE))
    results = {name: verdict for verdict, name in re.findall(r"^(\w+) +(?:account|sink) (\w+):", out, re.MULTILINE)}
    good = {"demo", "console", "open"}
    assert code == 1
    assert {name for name, result in results.items() if result == "ok"} == good
    assert {name for name, result in results.items() if result == "failed"} == {"wrong", "dead", "guarded", "closed"}
    assert "unauthorized" in verdicts["wrong"]
    assert "refused: a private address" in verdicts["guarded"]
    assert out.count("->") == 4
    assert len(call(f"{simulator}/simulator/requests")["requests"]) == before + 2
    assert run("check", "--account", "demo")[1].count(" account ") == 1


def test_check_offline_asks_nobody_and_an_unknown_account_is_a_mistake(run, tmp_path):
    configuration(tmp_path, "http://127.0.0.1:9")
    assert run("check", "--offline")[0] == 0
    code, _, err = run("check", "--account", "nobody")
    assert code == 2
    assert "there are demo" in err


def test_a_ledger_is_used_by_one_relay_at_a_time(serving):
    folder, _ = serving
    with started(folder, "serve") as second:
        assert second.ends() == 2
        assert "another relay has it open" in second.err
        assert "Traceback" not in second.err
    with started(folder, "check") as check:
        assert check.ends() == 0
        assert re.search(r"^ok +ledger .*: is in use by a relay that runs", check.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("server: {listen: nowhere}", {}, r"config\.yaml:1: server\.listen: .*nowhere"),
        ("colour: red", {}, r"config\.yaml.*colour"),
        ("", {"RELAY_LISTEN": "0.0.0.0:0"}, r"api_keys:\n +- name: default\n +key: \$\{RELAY_API_KEY\}"),
    ],
)
def test_serve_with_a_configuration_that_cannot_be_used(tmp_path, text, environ, expected):
    accounts = "accounts: [{name: a, base_url: 'https://a.zendesk.com', auth: {kind: bearer, token: t}}]\n"
    (tmp_path / "config.yaml").write_text(f"{text}\n{accounts}")
    with started(tmp_path, "serve", **environ) as command:
        assert command.ends() == 2
    assert re.search(expected, command.err)
    assert "Traceback" not in command.err


def test_serve_where_another_program_listens(tmp_path, simulator):
    configuration(tmp_path, simulator)
    address = simulator.removeprefix("http://")
    text = (tmp_path / "config.yaml").read_text().replace("127.0.0.1:0", address)
    (tmp_path / "config.yaml").write_text(text)
    with started(tmp_path, "serve") as command:
        assert command.ends() == 2
    assert f"cannot listen on {address}" in command.err


def test_jobs_are_handed_in_and_known_the_second_time(run, serving, simulator):
    _, environ = serving
    first, second = jobs(simulator, "succeeded", "succeeded")
    assert run("track", first, **environ) == (0, f"created demo/{first}\n", "")
    code, out, _ = run("track", second, first, second, "--account", "demo", **environ)
    assert (code, out.splitlines()) == (0, [f"created demo/{second}", f"exists demo/{first}"])


def test_to_wait_for_jobs_that_all_succeed_is_good(run, serving, simulator):
    _, environ = serving
    ids = jobs(simulator, "succeeded", "succeeded")
    code, out, err = run("track", *ids, "--wait", **environ)
    assert code == 0
    assert sorted(out.splitlines()) == sorted(f"succeeded demo/{job_id} succeeded=10 failed=0" for job_id in ids)
    assert err == "2 jobs: 2 succeeded\n"


@pytest.mark.parametrize("fate", ["partially_failed", "failed"])
def test_to_wait_for_a_job_that_does_not_succeed_is_failure(run, serving, simulator, fate):
    _, environ = serving
    [job_id] = jobs(simulator, fate)
    code, out, _ = run("track", job_id, "--wait", **environ)
    assert code == 1
    assert out.startswith(f"{fate} demo/{job_id} ")
    assert re.search(r"^  .*\(item \d", out, re.MULTILINE)


def test_to_wait_has_a_limit(run, serving, simulator):
    _, environ = serving
    [job_id] = jobs(simulator, "stuck")
    code, out, err = run("track", job_id, "--wait", "--timeout", "0.5", **environ)
    assert (code, out) == (1, "")
    assert "1 of 1 jobs have not ended after 0.5 s" in err


def test_what_track_cannot_do_it_says(run, serving):
    _, environ = serving
    code, _, err = run("track", "V3-good", "not good", **environ)
    assert (code, "not good: " in err, "V3-good" in err) == (2, True, False)
    code, _, err = run("track", "V3-1", **{**environ, "RELAY_API_KEY": "another"})
    assert (code, "RELAY_API_KEY" in err) == (2, True)
    code, _, err = run("track", "V3-1", "--url", "http://127.0.0.1:9", **environ)
    assert (code, "http://127.0.0.1:9" in err, "relay serve" in err) == (1, True, True)


def test_waiting_survives_a_restart_of_relay(tmp_path, simulator):
    configuration(tmp_path, simulator)
    [job_id] = jobs(simulator, "succeeded", work_seconds=12.0)  # longer than it takes to see that relay is gone
    with started(tmp_path, "serve") as first:
        url = first.says(r'"listen":"(http://[^"]+)"')[1]
        with started(tmp_path, "track", job_id, "--wait", RELAY_URL=url) as track:
            while not call(f"{url}/v1/jobs")["jobs"]:
                time.sleep(0.05)
            first.send(signal.SIGKILL)
            track.says("trying again")
            text = (tmp_path / "config.yaml").read_text().replace("127.0.0.1:0", url.removeprefix("http://"))
            (tmp_path / "config.yaml").write_text(text)
            with started(tmp_path, "serve") as second:
                assert track.ends() == 0
                assert "relay answers again" in track.err
                assert second.send(signal.SIGINT).ends() == 0


def test_receive_prints_what_is_signed_and_refuses_the_rest(tmp_path):
    with started(tmp_path, "receive", "--port", "0", RELAY_WEBHOOK_SECRET=SECRET) as command:
        url = command.says(r"url: (http://\S+)")[1]
        body = {"type": "zendesk.job.completed", "data": {"account": "demo", "job_id": "V3-1", "outcome": "succeeded"}}
        now = str(int(time.time()))
        signature = sign([Secret.parse(SECRET)], "msg_1", int(now), json.dumps(body).encode())
        headers = {"webhook-id": "msg_1", "webhook-timestamp": now, "webhook-signature": signature}
        call(url, body, **headers)
        command.says("- zendesk.job.completed demo/V3-1 outcome=succeeded")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            call(url, {"type": "forged"}, **headers)
        command.says("refused no signature matches")
        assert SECRET not in command.out
        assert command.send(signal.SIGTERM).ends() == 0


@pytest.mark.parametrize("name", ["simulate", "receive"])
def test_a_port_that_is_taken_is_a_mistake(tmp_path, simulator, name):
    port = simulator.rpartition(":")[2]
    with started(tmp_path, name, "--port", port) as command:
        assert command.ends() == 2
    assert f"cannot listen on 127.0.0.1:{port}" in command.err


def test_whoever_stops_reading_ends_it_quietly(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        command = [sys.executable, "-m", "relay", "init", "-"]
        done = subprocess.run(
            command, cwd=tmp_path, stdout=nobody, stderr=subprocess.PIPE, check=False,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")
