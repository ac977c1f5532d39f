"""`relay check`: the configuration, and whether what it names can be used. Good as an init container, too."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relay.app import parts, process
from relay.app.checks import Finding, Verdict
from relay.app.checks.accounts import try_account
from relay.app.checks.kafka import try_kafka
from relay.app.checks.machine import try_ledger, try_listen
from relay.app.checks.sinks import try_sink, unusable
from relay.app.terminal import COLOURS, console, say
from relay.config import Config, load
from relay.config.accounts import Account
from relay.config.models import SqliteLedger
from relay.config.sinks import KafkaSink
from relay.errors import ConfigError
from relay.zendesk.transport import Transport, open_session

AT_ONCE_MAX = 50

ANSWER_SECONDS = 10.0  # a person waits


def run(*, config: Path, environ: Mapping[str, str], offline: bool, account: str | None) -> int:
    """0, or 1 where anything failed. Raises ConfigError."""
    loaded = load(config, environ)
    accounts = chosen(loaded.accounts, account)
    findings = [_configuration(config, loaded), *_machine(loaded, offline=offline)]
    if offline:
        findings += filter(None, map(unusable, loaded.sinks))
        detail = f"accounts: {len(accounts)}, sinks: {len(loaded.sinks)}"
        findings.append(Finding(what="network", name="--offline", verdict=Verdict.SKIPPED, detail=detail))
    else:
        findings += process.run(_reach(accounts, loaded))
    show(findings, console())
    return int(any(finding.verdict is Verdict.FAILED for finding in findings))


def chosen(accounts: Sequence[Account], name: str | None) -> Sequence[Account]:
    """The account of that name; None: all. Raises ConfigError: there is none."""
    found = [account for account in accounts if name in {None, account.name}]
    if not found and name is not None:
        known = ", ".join(account.name for account in accounts) or "none"
        raise ConfigError(f"--account: there is no account {name!r} in the configuration; there are {known}")
    return found


def _configuration(path: Path, config: Config) -> Finding:
    detail = f"is valid; accounts: {len(config.accounts)}, sinks: {len(config.sinks)}"
    return Finding(what="configuration", name=str(path), verdict=Verdict.OK, detail=detail)


def _machine(config: Config, *, offline: bool) -> list[Finding]:
    findings = []
    if isinstance(config.ledger, SqliteLedger):
        findings.append(try_ledger(Path(config.ledger.path)))
    if not offline:
        findings.append(try_listen("server.listen", config.server.listen))
        if config.server.metrics_listen is not None:
            findings.append(try_listen("server.metrics_listen", config.server.metrics_listen))
    return findings


async def _reach(accounts: Sequence[Account], config: Config) -> list[Finding]:
    """A request to each account (two where it needs a token), a connection to each sink and to Kafka.

    Raises ConfigError.
    """
    permits = asyncio.Semaphore(AT_ONCE_MAX)

    async def permitted(look: Awaitable[Finding]) -> Finding:
        async with permits:
            return await look

    peers = [(account, parts.peer(account)) for account in accounts]
    async with open_session(ANSWER_SECONDS) as session:
        looks = [try_account(one.name, peer, Transport(peer, session), parts.grant(one)) for one, peer in peers]
        looks += [try_sink(sink) for sink in config.sinks if not isinstance(sink, KafkaSink)]
        return [*await asyncio.gather(*map(permitted, looks)), *await try_kafka(config)]


def show(findings: Sequence[Finding], to: Console) -> None:
    """A table for a person, a line per finding for a program."""
    if to.is_terminal:
        to.print(_table(findings))
    else:
        for finding in findings:
            _show_line(finding, to)
    failed, warnings = (sum(one.verdict is kind for one in findings) for kind in (Verdict.FAILED, Verdict.WARNING))
    noted = f", {warnings} to note" if warnings else ""
    say(to, f"{failed} of {len(findings)} checks failed{noted}" if failed else f"all is well{noted}")


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("check", "result", "detail"):
        table.add_column(heading, overflow="fold")
    for one in findings:
        detail = Text(one.detail)
        if one.advice:
            detail.append(f"\n→ {one.advice}", style="bold")
        table.add_row(f"{one.what} {one.name}", Text(one.verdict, style=COLOURS[one.verdict]), detail)
    return table


def _show_line(finding: Finding, to: Console) -> None:
    say(to, f"{finding.verdict:<8} {finding.what} {finding.name}: {finding.detail}")
    if finding.advice:
        say(to, f"{'':<8} -> {finding.advice}")
