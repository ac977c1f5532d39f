import io

import pytest
from rich.console import Console

from relay.app.checks import Finding, Verdict
from relay.app.commands.check import chosen, show
from relay.config.accounts import Account
from relay.errors import ConfigError

GOOD = Finding(what="account", name="acme", verdict=Verdict.OK, detail="answered")
BAD = Finding(what="sink", name="orders", verdict=Verdict.FAILED, detail="refused", advice="start it")
NOTED = Finding(what="server.listen", name="127.0.0.1:8080", verdict=Verdict.WARNING, detail="is in use")


def shown(*findings, terminal=False, width=80):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    show(findings, console)
    return console.file.getvalue().splitlines()


def test_for_a_program_each_finding_is_a_line_and_the_advice_another():
    assert shown(GOOD, BAD) == [
        "ok       account acme: answered",
        "failed   sink orders: refused",
        "         -> start it",
        "1 of 2 checks failed",
    ]


def test_a_long_line_stays_one():
    assert len(shown(Finding(what="sink", name="x", verdict=Verdict.OK, detail="long " * 50))) == 2


def test_for_a_person_it_is_a_table_that_fits():
    long = Finding(what="sink", name="o" * 30, verdict=Verdict.FAILED, detail="why " * 30, advice="do " * 30)
    lines = shown(GOOD, long, terminal=True)
    assert lines[0].split() == ["check", "result", "detail"]
    assert lines[1].split() == ["account", "acme", "ok", "answered"]
    assert any("→ do" in line for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("findings", "end"),
    [
        ([GOOD], "all is well"),
        ([GOOD, NOTED], "all is well, 1 to note"),
        ([GOOD, NOTED, BAD], "1 of 3 checks failed, 1 to note"),
    ],
)
def test_the_last_line_sums_up(findings, end):
    assert shown(*findings)[-1] == end


def account(name):
    auth = {"kind": "bearer", "token": "t"}
    return Account.model_validate({"name": name, "base_url": f"https://{name}.zendesk.com", "auth": auth})


def test_one_account_is_chosen_by_name_and_an_unknown_one_answered_with_the_known():
    accounts = [account("acme"), account("other")]
    assert chosen(accounts, None) == accounts
    assert chosen(accounts, "other") == accounts[1:]
    with pytest.raises(ConfigError, match=r"'nobody'.* there are acme, other"):
        chosen(accounts, "nobody")


def test_a_folder_of_accounts_may_be_empty():
    assert chosen([], None) == []
    with pytest.raises(ConfigError, match="there are none"):
        chosen([], "acme")
