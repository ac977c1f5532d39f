"""The loop that keeps a service to its configuration: what it applies, what it tells and what it tries again."""

import asyncio

import pytest
from authority import Authority

from relay.app import parts
from relay.app.reload import Reloading, shown
from relay.app.service import Service
from relay.config import Sources
from relay.core.delivery import Schedule, Subscription
from relay.core.webhook import Webhook
from relay.errors import LedgerError
from relay.intake.keys import ANYONE
from relay.intake.problems import Problem, Refused
from relay.shard.ports import Subscriber
from relay.sinks.webhook import WebhookSink

KEY = "0123456789abcdef"


def account(name, more=""):
    return f"{{name: {name}, base_url: https://{name}.zendesk.com, auth: {{kind: bearer, token: s3cret}}{more}}}"


class Shard:
    """Remembers what it was told to be; `fails_with`: instead."""

    def __init__(self):
        self.told = []
        self.fails_with = None

    async def configure(self, accounts, removed, polling):
        if self.fails_with is not None:
            raise self.fails_with
        self.told.append(([one.name for one in accounts], list(removed), polling.lost_after_seconds))


class Metrics:
    def __init__(self):
        self.successful = None
        self.forgotten = []

    def forget(self, account):
        self.forgotten.append(account)

    def config_reloaded(self, *, successful):
        self.successful = successful


class Log:
    def __init__(self):
        self.entries = []

    def __getattr__(self, level):
        return lambda event, **fields: self.entries.append((level, event, fields))

    def of(self, event):
        return [fields for _, name, fields in self.entries if name == event]


class Callbacks:
    """Remembers what it was told to be."""

    allowlist = None

    def renew(self, allowlist):
        self.allowlist = allowlist


class Stage:
    """A service of fakes, whose configuration is in a folder."""

    def __init__(self, folder):
        self.config, self.folder = folder / "config.yaml", folder / "accounts"
        self.folder.mkdir()
        self.write()
        self.shard, self.metrics, self.log = Shard(), Metrics(), Log()
        self.subscribers = []
        self.callbacks = Callbacks()

    def write(self, more="", *, own="own"):
        self.config.write_text(f"accounts_dir: {self.folder}\naccounts: [{account(own)}]\n{more}")

    def put(self, name, text):
        (self.folder / name).write_text(text)

    def start(self):
        sources = Sources(self.config, {})
        self.access = parts.access(sources.config)
        service = Service(
            address=("127.0.0.1", 1),
            access=self.access,
            metrics=self.metrics,
            work=self.shard,
            subscribers=self.subscribers,
            callbacks=self.callbacks,
            session=None,
            failure=None,
        )
        self.reloading = Reloading(sources=sources, service=service, log=self.log)
        return self

    async def look(self):
        """Until what has changed is known to be at rest."""
        await self.reloading.look()
        await self.reloading.look()

    async def call(self):
        await self.reloading.look(called=True)

    def knows(self, name):
        try:
            return self.access.directory.resolve(ANYONE, name, None) == name
        except Refused:
            return False


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path).start()


async def test_accounts_reach_the_shard_and_the_intake(stage):
    stage.put("a.yaml", f"[{account('a')}, {account('b')}]")
    await stage.look()
    assert stage.shard.told == [(["a", "b"], [], 300)]
    assert stage.knows("a")
    stage.put("a.yaml", account("a", ", rate: {share: 0.5}"))
    await stage.look()
    assert stage.shard.told[1:] == [(["a"], ["b"], 300)]
    assert stage.knows("a")
    assert not stage.knows("b")
    assert stage.metrics.forgotten == ["b"]
    assert stage.log.of("config.reloaded") == [
        {"accounts_added": ["a", "b"]},
        {"accounts_changed": ["a"], "accounts_removed": ("b",)},
    ]


async def test_nothing_is_done_or_told_while_nothing_changes(stage):
    for _ in range(5):
        await stage.reloading.look()
    assert (stage.shard.told, stage.log.entries, stage.metrics.successful) == ([], [], True)


async def test_keys_and_the_polling_of_strangers_are_taken_when_called(stage):
    stage.write(f"server: {{api_keys: [{{name: k, key: {KEY}}}]}}\npolling: {{lost_after_seconds: 5}}\n")
    await stage.look()
    assert stage.access.keyring.identify(None) is ANYONE
    await stage.call()
    assert stage.access.keyring.identify(f"Bearer {KEY}").name == "k"
    with pytest.raises(Problem):
        stage.access.keyring.identify(None)
    assert stage.shard.told == [(["own"], [], 5)]
    assert stage.log.of("config.reloaded") == [{"accounts_changed": ["own"], "polling": True, "api_keys": True}]


async def test_hosts_of_callbacks_reach_the_intake_and_those_who_send(stage):
    secret = stage.config.with_name("secret")
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    stage.write(f"callbacks: {{allow: [{{host: hooks.acme.com, secrets: ['${{file:{secret}}}']}}]}}")
    await stage.call()
    before = stage.access.callbacks.allowed("https://hooks.acme.com/")
    assert stage.callbacks.allowlist is stage.access.callbacks
    secret.write_text("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    await stage.look()
    after = stage.callbacks.allowlist.allowed("https://hooks.acme.com/")
    assert before.secrets != after.secrets
    assert stage.log.of("config.reloaded") == [{"callbacks": True}] * 2


async def test_being_called_is_answered_even_if_nothing_changed(stage):
    await stage.call()
    assert stage.log.entries == [("info", "config.reloaded", {})]


async def test_what_is_broken_is_told_once_per_change_and_shows_until_it_is_mended(stage):
    stage.put("a.yaml", "{name: ")
    await stage.look()
    await stage.look()
    (told,) = stage.log.of("config.reload_failed")
    assert "a.yaml:2:1: is not valid YAML" in told["error"]
    assert (stage.metrics.successful, stage.shard.told) == (False, [])
    stage.put("a.yaml", "{name:  ")
    await stage.look()
    assert len(stage.log.of("config.reload_failed")) == 2
    stage.put("a.yaml", account("a"))
    await stage.look()
    assert stage.metrics.successful
    assert len(stage.log.of("config.recovered")) == 1
    assert {level for level, event, _ in stage.log.entries if event == "config.reload_failed"} == {"error"}


async def test_what_is_broken_from_the_start_is_told(stage):
    stage.put("a.yaml", "{name: ")
    loop = asyncio.create_task(stage.start().reloading.run(asyncio.Event()))
    await asyncio.sleep(0)
    loop.cancel()
    assert len(stage.log.of("config.reload_failed")) == 1
    assert not stage.metrics.successful


async def test_a_configuration_that_is_broken_when_called_changes_nothing(stage):
    stage.config.write_text("accounts: [")
    await stage.call()
    await stage.call()
    assert len(stage.log.of("config.reload_failed")) == 2, "each call is answered"
    assert (stage.shard.told, stage.metrics.successful, stage.knows("own")) == ([], False, True)
    assert stage.log.of("config.reloaded") == []


async def test_what_needs_a_restart_is_named_whenever_somebody_calls(stage):
    stage.write("server: {listen: '127.0.0.1:9'}\nretention: {dead_hours: 1}\n")
    await stage.call()
    await stage.look()
    await stage.call()
    assert stage.log.of("config.restart_needed") == [{"keys": ("server.listen", "retention")}] * 2
    stage.write()
    await stage.call()
    assert len(stage.log.of("config.restart_needed")) == 2
    assert stage.metrics.successful


async def test_what_the_ledger_holds_up_is_tried_again(stage):
    stage.shard.fails_with = LedgerError("no disk")
    stage.put("a.yaml", account("a"))
    await stage.look()
    await stage.look()
    assert stage.log.of("config.reload_failed") == [{"error": "no disk"}]
    assert not stage.metrics.successful
    assert not stage.knows("a")
    stage.shard.fails_with = None
    await stage.look()
    assert (stage.knows("a"), stage.metrics.successful) == (True, True)
    assert stage.shard.told == [(["a"], [], 300)]


async def test_an_account_that_cannot_be_reached_as_it_is_configured_changes_nothing(stage):
    stage.write("account_defaults: {rate: {share: 0.5}}\n", own="own")
    stage.config.write_text(stage.config.read_text().replace("auth:", "ca_file: absent.pem, auth:"))
    await stage.call()
    assert "ca_file absent.pem of own cannot be used" in stage.log.of("config.reload_failed")[0]["error"]
    assert (stage.shard.told, stage.metrics.successful) == ([], False)


class Sink(WebhookSink):
    """Remembers the contexts that it was given."""

    def __init__(self, hook):
        super().__init__(hook, session=None, system_clock=None)
        self.contexts = []

    def renew_tls(self, tls):
        self.contexts.append(tls)


async def test_a_client_certificate_that_changes_reaches_its_sink_and_a_broken_one_alarms(tmp_path):
    stage = Stage(tmp_path)
    authority = Authority(tmp_path)
    certificate = authority.issue("client")
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    keys = f"kind: webhook, url: 'https://orders.example.com', secrets: [{secret}], client_cert_file: '{certificate}'"
    stage.write(f"sinks: [{{name: orders, {keys}}}]\n")
    sink = Sink(Webhook(name="orders", url="https://orders.example.com"))
    subscription = Subscription(sink="orders")
    stage.subscribers = [Subscriber(subscription=subscription, sink=sink, schedule=Schedule(), concurrency=1)]
    stage.start()
    await stage.look()
    assert (len(sink.contexts), stage.metrics.successful) == (1, True)
    certificate.write_bytes(b"half of it")
    await stage.look()
    assert (len(sink.contexts), stage.metrics.successful) == (1, False)
    (told,) = stage.log.of("config.reload_failed")
    assert told["error"].startswith("sinks.orders.client_cert_file: ")
    authority.issue("client")
    await stage.look()
    assert (len(sink.contexts), stage.metrics.successful) == (2, True)
    assert stage.log.of("config.recovered") == [{}]


async def test_the_log_holds_no_secret(stage):
    stage.put("a.yaml", account("a", ", rate: {share: 7}"))
    await stage.look()
    stage.put("a.yaml", account("a"))
    await stage.look()
    assert "s3cret" not in repr(stage.log.entries)


def test_of_many_names_only_some_are_told():
    assert shown(["a"] * 10) == ["a"] * 10
    assert shown(["a"] * 12) == (*["a"] * 10, "and 2 more")
