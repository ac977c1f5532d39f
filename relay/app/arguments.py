"""The grammar of the command line. What a command is parsed to are the keywords of its module's `run`."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from relay import __version__

DESCRIPTION = "Watches Zendesk background jobs for every service and publishes what became of them."
EPILOG = """\
to try it, with nothing to configure:
  relay demo

to run it:
  relay init                     write an annotated config.yaml
  relay check                    try the accounts and sinks that are in it
  relay serve                    run the service

environment:
  RELAY_CONFIG                   the configuration file (default: config.yaml)
  RELAY_URL, RELAY_API_KEY       the running relay that `relay track`, `deliveries` and `ledger` call

exit codes: 0 good, 1 failed, 2 usage or configuration error
"""

COUNT_MAX = 1_000_000

Environ = Mapping[str, str]


def parser(environ: Environ) -> ArgumentParser:
    """`environ`: the environment, where defaults come from. A result without `command` asks for nothing."""
    whole = ArgumentParser(
        prog="relay",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"relay {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for add in (_serve, _check, _init, _demo, _track, _deliveries, _ledger, _simulate, _receive, _secret):
        add(commands, environ)
    return whole


def _command(commands: Any, name: str, text: str, examples: str) -> ArgumentParser:  # noqa: ANN401 - argparse has no public type
    found: ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return found


def _serve(commands: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = "  relay serve\n  RELAY_LISTEN=127.0.0.1:9000 relay serve --config /etc/relay/config.yaml\n"
    command = _command(commands, "serve", "run the service; SIGTERM or Ctrl-C drains it, SIGHUP reloads", examples)
    _add_config(command, environ)


def _check(commands: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = """\
  relay check                    everything; one request to each account, none to sinks
  relay check --account acme     of the accounts, only this one
  relay check --offline          the file and this machine only
"""
    command = _command(commands, "check", "validate the configuration and try what it names", examples)
    _add_config(command, environ)
    command.add_argument("--offline", action="store_true", help="use no network")
    command.add_argument("--account", metavar="NAME", help="of the accounts, try only this one")


def _add_config(command: ArgumentParser, environ: Environ) -> None:
    path = _config_path(environ)
    text = f"the configuration file (here: {_literal(path)}; set by RELAY_CONFIG)"
    command.add_argument("--config", metavar="FILE", type=Path, default=path, help=text)
    command.set_defaults(environ=environ)


def _literal(value: object) -> str:
    """As it stands, in a text that argparse puts values into."""
    return str(value).replace("%", "%%")


def _config_path(environ: Environ) -> Path:
    return Path(environ.get("RELAY_CONFIG") or "config.yaml")


def _init(commands: Any, environ: Environ) -> None:  # noqa: ANN401
    path = _config_path(environ)
    examples = "  relay init\n  relay init /etc/relay/config.yaml\n  relay init - | less\n"
    command = _command(commands, "init", "write an annotated configuration file", examples)
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "file", nargs="?", metavar="FILE", help=f"where to (here: {_literal(path)}); - for standard output"
    )
    where.add_argument("--config", metavar="FILE", help="the same")
    command.add_argument("--force", action="store_true", help="replace a file that is there")
    command.set_defaults(default=path)


def _demo(commands: Any, _: Environ) -> None:  # noqa: ANN401
    examples = "  relay demo\n  relay demo --seconds 30 | grep completed\n"
    text = "show it at work: simulator, service and sample jobs in one terminal"
    command = _command(commands, "demo", text, examples)
    command.add_argument("--seconds", metavar="N", type=_seconds, help="end by itself (default: at Ctrl-C)")
    command.add_argument("--seed", metavar="N", type=int, default=1, help="other jobs (default: %(default)s)")


def _track(commands: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = """\
  relay track 8b726e606741012ffc2d782bcb7848fe
  relay track --wait --account acme V3-1c0b… V3-77fa…
  jq -r .job_status.id replies.json | relay track --wait -

exit code with --wait: 0 if all succeeded, 1 if any did not (partially failed included)
"""
    command = _command(commands, "track", "hand jobs to a running relay, and wait for them", examples)
    command.add_argument("ids", nargs="+", metavar="ID", help="a job's id; - reads ids from standard input")
    command.add_argument("--account", metavar="NAME", help="whose jobs they are; needed where there are several")
    command.add_argument("--wait", action="store_true", help="show their progress until they have ended")
    command.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, help="with --wait: give up after so long (default: never)"
    )
    _add_relay(command, environ)


def _deliveries(commands: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = "  relay deliveries list\n  relay deliveries recover --sink orders --since 2h\n"
    command = _command(commands, "deliveries", "list what was not delivered, and send it again", examples)
    actions = command.add_subparsers(metavar="ACTION", title="actions", required=True)
    for add in (_deliveries_list, _deliveries_retry, _deliveries_recover):
        add(actions, environ)


def _deliveries_list(actions: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = "  relay deliveries list --sink orders\n  relay deliveries list --state pending --json | jq .error\n"
    command = _command(actions, "list", "list deliveries, those of the newest jobs first", examples)
    text = "given up, or still owed (default: %(default)s)"
    command.add_argument("--state", choices=("dead", "pending"), default="dead", help=text)
    command.add_argument("--sink", metavar="NAME", help="only to this sink; callback: to all callbacks")
    command.add_argument(
        "--limit", metavar="N", type=_count, default=100, help="at most so many (default: %(default)s)"
    )
    command.add_argument("--json", action="store_true", dest="as_json", help="whole, one JSON per line")
    _add_relay(command, environ)
    command.set_defaults(command="deliveries.list")


def _deliveries_retry(actions: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = "  relay deliveries retry dlv_…\n  relay deliveries list --json | jq -r .id | relay deliveries retry -\n"
    command = _command(actions, "retry", "send deliveries again, now", examples)
    command.add_argument("ids", nargs="+", metavar="ID", help="from the list; - reads ids from standard input")
    _add_relay(command, environ)
    command.set_defaults(command="deliveries.retry")


def _deliveries_recover(actions: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = """\
  relay deliveries recover --sink orders --since 2h
  relay deliveries recover --sink orders --since 2026-02-03T04:00:00Z --until 2026-02-03T05:00:00Z
"""
    command = _command(actions, "recover", "send everything again that a sink was not delivered in a time", examples)
    command.add_argument("--sink", metavar="NAME", required=True, help="which; callback: all callbacks")
    text = "events owed since then: 2026-02-03T04:05:06Z, or 90s, 30m, 2h, 7d ago"
    command.add_argument("--since", metavar="TIME", required=True, help=text)
    command.add_argument("--until", metavar="TIME", help="and before then (default: now)")
    _add_relay(command, environ)
    command.set_defaults(command="deliveries.recover")


def _ledger(commands: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = "  relay ledger backup /backups/relay.db\n  relay ledger migrate --from relay.db --config kafka.yaml\n"
    command = _command(commands, "ledger", "copy the ledger, or move it to Kafka", examples)
    actions = command.add_subparsers(metavar="ACTION", title="actions", required=True)
    for add in (_ledger_backup, _ledger_migrate):
        add(actions, environ)


def _ledger_backup(actions: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = """\
  relay ledger backup /backups/relay.db                      of the relay of this configuration, whether it runs or not
  relay ledger backup relay.db --url http://relay:8080       of one that runs elsewhere (needs an admin key)

The copy holds secrets. To go back to it: stop relay, put it in the ledger's place, remove what is left beside it
(relay.db-wal, relay.db-shm), start relay.
"""
    command = _command(actions, "backup", "write a checked copy of the ledger, while relay goes on", examples)
    command.add_argument("destination", metavar="DEST", type=Path, help="the file to write")
    command.add_argument("--force", action="store_true", help="replace a file that is there")
    _add_config(command, environ)
    default = environ.get("RELAY_URL") or None
    text = "the running relay to ask (default: RELAY_URL, else the one that has the configuration's ledger open)"
    command.add_argument("--url", type=_url, default=default, help=text)
    command.set_defaults(command="ledger.backup", api_key=environ.get("RELAY_API_KEY") or None)


def _ledger_migrate(actions: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = """\
  relay ledger migrate --from /data/relay.db --config kafka.yaml

Stop relay first; the file stays as it is. What is interrupted is completed by the same command again.
"""
    text = "copy the SQLite file of a stopped relay to the topic of a Kafka ledger, and compare"
    command = _command(actions, "migrate", text, examples)
    text = "the SQLite file: ledger.path of the configuration so far"
    command.add_argument("--from", dest="source", metavar="FILE", type=Path, required=True, help=text)
    _add_config(command, environ)
    command.set_defaults(command="ledger.migrate")


def _add_relay(command: ArgumentParser, environ: Environ) -> None:
    default = environ.get("RELAY_URL") or "http://127.0.0.1:8080"
    text = f"the running relay (here: {_literal(default)}; set by RELAY_URL)"
    command.add_argument("--url", type=_url, default=default, help=text)
    command.set_defaults(api_key=environ.get("RELAY_API_KEY") or None)


def _simulate(commands: Any, _: Environ) -> None:  # noqa: ANN401
    examples = """\
  relay simulate
  relay simulate --scenario mixed,flaky --seed 7
  relay simulate --list
"""
    text = "a Zendesk stand-in for demos and integration tests"
    command = _command(commands, "simulate", text, examples)
    _add_address(command, port=8090)
    text = "a name from --list; several combine (repeat it, or separate by commas)"
    command.add_argument("--scenario", metavar="NAME", dest="scenarios", action="append", default=[], help=text)
    command.add_argument("--seed", metavar="N", type=int, default=1, help="other chances (default: %(default)s)")
    command.add_argument("--token", help="the only token to accept (default: any)")
    command.add_argument("--list", action="store_true", dest="only_list", help="list the scenarios and end")


def _receive(commands: Any, environ: Environ) -> None:  # noqa: ANN401
    examples = '  relay receive\n  relay receive --secret "$(relay secret)" --json | jq .data\n'
    command = _command(commands, "receive", "a receiver for trying webhooks: verify and print", examples)
    _add_address(command, port=8085)
    text = "whsec_…, or whpk_… of a pair; several may be given (default: RELAY_WEBHOOK_SECRET, else a fresh one)"
    command.add_argument("--secret", dest="secrets", action="append", default=[], help=text)
    command.add_argument("--json", action="store_true", dest="as_json", help="print whole events, one JSON per line")
    command.set_defaults(environment_secret=environ.get("RELAY_WEBHOOK_SECRET") or None)


def _secret(commands: Any, _: Environ) -> None:  # noqa: ANN401
    examples = """\
  export ORDERS_SECRET=$(relay secret)
  eval "$(relay secret --asymmetric)"      sets $private_key, for `secrets`, and $public_key, for receivers
"""
    command = _command(commands, "secret", "print a fresh secret to sign webhooks with", examples)
    text = "a pair of ed25519 keys: private_key=whsk_… and public_key=whpk_…, a line each"
    command.add_argument("--asymmetric", action="store_true", help=text)


def _add_address(command: ArgumentParser, port: int) -> None:
    command.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    text = "where to listen; 0 takes a free one (default: %(default)s)"
    command.add_argument("--port", type=_port, default=port, help=text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65_535):
        raise ArgumentTypeError(f"{text!r} is not a port: a whole number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= COUNT_MAX):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to {COUNT_MAX}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ArgumentTypeError(f"{text!r} is not a URL such as http://127.0.0.1:8080")
    return text.rstrip("/")
