"""From two configurations to what can be had at once, and what needs a restart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.app.changes import Changes, applied, changes
from relay.config import load

SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
A = "{name: a, base_url: https://a.zendesk.com, auth: {kind: bearer, token: t}}"
B = "{name: b, base_url: https://b.zendesk.com, auth: {kind: bearer, token: t}}"


def hook(name="hook", more=""):
    return f"{{name: {name}, kind: webhook, url: https://h.example.com, secrets: [{SECRETS[0]}]{more}}}"


HOOKS = (hook(),)


def config(*accounts, sinks=HOOKS, more=""):
    text = f"accounts: [{', '.join(accounts or (A,))}]\nsinks: [{', '.join(sinks)}]\n{more}"
    return load(Path("config.yaml"), {}, lambda _: text)


def names(accounts):
    return [account.name for account in accounts]


def test_nothing_changes_nothing():
    assert changes(config(), config()) == Changes()
    assert not Changes().any


def test_accounts_are_added_changed_and_removed():
    other = B.replace("token: t", "token: u")
    assert names(changes(config(A), config(A, B)).added) == ["b"]
    assert names(changes(config(A, B), config(A, other)).changed) == ["b"]
    assert changes(config(A, B), config(A)).removed == ("b",)
    assert changes(config(A), config(B)) == Changes(added=config(B).accounts, removed=("a",))


def test_defaults_change_the_accounts_that_inherit_them():
    found = changes(config(A, B), config(A, B, more="account_defaults: {rate: {share: 0.5}}\n"))
    assert (names(found.changed), found.restart) == (["a", "b"], ())
    assert changes(config(), config(more="polling: {lost_after_seconds: 5}\n")).polling


def test_keys_take_effect_at_once():
    keyed = config(more="server: {api_keys: [{name: k, key: 0123456789abcdef}]}\n")
    found = changes(config(), keyed)
    assert (found.api_keys, found.any, found.restart) == (True, True, ())


CALLBACKS = f"callbacks: {{allow: [{{host: '*.acme.com', secrets: [{SECRETS[0]}]}}]}}\n"


@pytest.mark.parametrize("more", ["", CALLBACKS.replace("*.", ""), CALLBACKS.replace(SECRETS[0], SECRETS[1])])
def test_hosts_and_secrets_of_callbacks_take_effect_at_once(more):
    found = changes(config(more=CALLBACKS), config(more=more))
    assert found == Changes(callbacks=True)
    assert found.any


def test_secrets_and_headers_of_a_webhook_take_effect_at_once_and_leave_the_rest_as_it_runs():
    other = config(sinks=(hook(more=", headers: {X-Key: k}, concurrency: 3").replace(SECRETS[0], SECRETS[1]),))
    found = changes(config(), other)
    (sink,) = found.sinks
    assert [secret.get_secret_value() for secret in sink.secrets] == [SECRETS[1]]
    assert sink.headers["X-Key"].get_secret_value() == "k"
    assert sink.concurrency == 8
    assert found.restart == ("sinks.hook",)
    assert changes(config(), config(sinks=(hook(more=", headers: {X-Key: k}"),))).restart == ()


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("server: {listen: '127.0.0.1:9'}", "server.listen"),
        ("server: {metrics_listen: '127.0.0.1:9'}", "server.metrics_listen"),
        ("ledger: {kind: sqlite, path: elsewhere.db}", "ledger"),
        ("events: {results: none}", "events"),
        ("retention: {dead_hours: 1}", "retention"),
        ("log: {level: debug}", "log"),
        ("metrics: {account_label: false}", "metrics"),
        ("kafka: {bootstrap_servers: '127.0.0.1:9'}", "kafka"),
        ("kafka: {bootstrap_servers: '127.0.0.1:9'}\nintake: {kafka: {}}", "kafka, intake"),
    ],
)
def test_what_needs_a_restart_is_named(more, key):
    found = changes(config(), config(more=f"{more}\n"))
    assert found == Changes(restart=tuple(key.split(", ")))
    assert not found.any


def test_sinks_that_come_and_go_and_become_others_need_a_restart():
    console = "{name: console, kind: log}"
    found = changes(config(sinks=(hook("a"), hook("b"), console)), config(sinks=(hook("a"), hook("c"))))
    assert found == Changes(restart=("sinks.b", "sinks.c", "sinks.console"))
    assert changes(config(sinks=(hook("x"),)), config(sinks=("{name: x, kind: log}",))).restart == ("sinks.x",)


def test_the_order_of_sinks_means_nothing():
    assert changes(config(sinks=(hook("a"), hook("b"))), config(sinks=(hook("b"), hook("a")))) == Changes()


SOME = [
    config(),
    config(A, B),
    config(B, more="polling: {lost_after_seconds: 5}\nserver: {listen: '127.0.0.1:9'}\n"),
    config(sinks=(hook(more=", headers: {X-Key: k}, concurrency: 3").replace(SECRETS[0], SECRETS[1]), hook("b"))),
    config(more="server: {api_keys: [{name: k, key: 0123456789abcdef}]}\nretention: {dead_hours: 1}\n"),
    config(more=CALLBACKS),
]


@given(st.lists(st.sampled_from(SOME), min_size=2))
def test_what_has_been_applied_is_not_found_again_and_what_needs_a_restart_stays_named(configs):
    started, *wanted = configs
    running = started
    for one in wanted:
        running = applied(running, one)
        left = changes(running, one)
        assert left == Changes(restart=left.restart)
        assert left.restart == changes(started, one).restart
