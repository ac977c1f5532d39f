import inspect
from importlib import import_module
from pathlib import Path

import pytest

from relay.app.arguments import parser

LINES = [
    "serve",
    "serve --config x.yaml",
    "check --offline --account acme",
    "init",
    "init - --force",
    "demo --seconds 5 --seed 7",
    "track V3-1 V3-2 --account acme --wait --timeout 30 --url http://relay:8080",
    "deliveries list",
    "deliveries list --state pending --sink orders --limit 5 --json --url http://relay:8080",
    "deliveries retry dlv_a dlv_b",
    "deliveries retry -",
    "deliveries recover --sink orders --since 2h",
    "deliveries recover --sink orders --since 2h --until 2026-02-03T04:05:06Z",
    "ledger backup /backups/relay.db",
    "ledger backup relay.db --force --config x.yaml --url http://relay:8080",
    "ledger migrate --from relay.db",
    "ledger migrate --from relay.db --config kafka.yaml",
    "simulate --scenario mixed,flaky --scenario busy --port 0 --token t",
    "simulate --list",
    "receive --secret a --secret b --json",
    "secret",
    "secret --asymmetric",
]


def parse(line, **environ):
    return vars(parser(environ).parse_args(line.split()))


@pytest.mark.parametrize("line", LINES)
def test_what_is_parsed_is_what_the_command_takes(line):
    arguments = parse(line)
    command = arguments.pop("command")
    run = import_module(f"relay.app.commands.{command}").run
    inspect.signature(run).bind(**arguments)


@pytest.mark.parametrize(("environ", "line", "path"), [
    ({}, "serve", "config.yaml"),
    ({"RELAY_CONFIG": ""}, "serve", "config.yaml"),
    ({"RELAY_CONFIG": "/etc/relay.yaml"}, "check", "/etc/relay.yaml"),
    ({"RELAY_CONFIG": "/etc/relay.yaml"}, "check --config mine.yaml", "mine.yaml"),
])  # fmt: skip
def test_the_option_goes_before_the_environment_before_the_folder(environ, line, path):
    assert parse(line, **environ)["config"] == Path(path)


def test_where_and_as_whom_to_track_comes_from_the_environment():
    arguments = parse("track V3-1", RELAY_URL="https://relay.example.com/", RELAY_API_KEY="key")
    assert (arguments["url"], arguments["api_key"]) == ("https://relay.example.com", "key")
    assert parse("track V3-1")["url"] == "http://127.0.0.1:8080"


def test_a_minus_is_an_id_that_stands_for_standard_input():
    assert parse("track - --wait")["ids"] == ["-"]


@pytest.mark.parametrize("line", [
    "nonsense",
    "track",
    "track V3-1 --url relay:8080",
    "track V3-1 --timeout 0",
    "deliveries",
    "deliveries show",
    "deliveries list --state delivered",
    "deliveries list --limit 0",
    "deliveries retry",
    "deliveries recover --since 2h",
    "deliveries recover --sink orders",
    "ledger",
    "ledger backup",
    "ledger migrate",
    "demo --seconds nan",
    "simulate --port 65536",
    "receive --port -1",
    "serve --conf x.yaml",
    "init a.yaml --config b.yaml",
])  # fmt: skip
def test_a_wrong_usage_exits_2(line, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(line)
    assert exit_.value.code == 2
    assert "usage: relay" in capsys.readouterr().err


@pytest.mark.parametrize("command", [line.split()[0] for line in LINES])
def test_every_command_helps_with_examples(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(f"{command} --help")
    assert exit_.value.code == 0
    assert f"  relay {command}" in capsys.readouterr().out.partition("examples:")[2].replace("$(relay", "  relay")


def test_nothing_secret_is_shown_by_help(capsys):
    for command in ("track", "receive"):
        with pytest.raises(SystemExit):
            parse(f"{command} --help", RELAY_API_KEY="very-secret", RELAY_WEBHOOK_SECRET="very-secret")
    assert "very-secret" not in capsys.readouterr().out


@pytest.mark.parametrize("line", ["serve", "init", "track"])
def test_help_shows_what_the_environment_says_as_it_stands(line, capsys):
    environ = {"RELAY_CONFIG": "a%b.yaml", "RELAY_URL": "http://u:p%40@127.0.0.1:1"}
    with pytest.raises(SystemExit) as ended:
        parser(environ).parse_args([line, "--help"])
    assert ended.value.code == 0
    assert ("p%40" if line == "track" else "a%b.yaml") in capsys.readouterr().out
