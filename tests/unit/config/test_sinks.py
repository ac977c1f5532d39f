import base64

import pytest

from relay.core.job import EventType, Outcome
from relay.errors import ConfigError

TERMINAL = {EventType.COMPLETED, EventType.FAILED, EventType.KILLED, EventType.EXPIRED, EventType.LOST}


def sink(loaded, keys):
    (found,) = loaded(f"sinks: [{{name: a, {keys}}}]\n").sinks
    return found


def webhook(loaded, keys="", *, url="https://a.example.com", secret_bytes=24):
    secret = f"whsec_{base64.b64encode(bytes(secret_bytes)).decode()}"
    return sink(loaded, f"kind: webhook, url: '{url}', secrets: ['{secret}'], {keys}")


@pytest.mark.parametrize(
    ("written", "kinds"),
    [
        ("[terminal]", TERMINAL),
        ("['*']", set(EventType)),
        ("[completed]", {EventType.COMPLETED}),
        ("[zendesk.job.completed, lost]", {EventType.COMPLETED, EventType.LOST}),
        ("[terminal, started]", TERMINAL | {EventType.STARTED}),
        ("['zendesk.job.*ed']", set(EventType) - {EventType.LOST}),
    ],
)
def test_events_are_named_in_short_in_full_or_by_pattern(loaded, written, kinds):
    assert sink(loaded, f"kind: log, events: {written}").events == kinds


def test_a_sink_hears_terminal_events_of_all_accounts_and_outcomes_unless_it_says_otherwise(loaded):
    found = sink(loaded, "kind: log")
    assert (found.events, found.outcomes, found.accounts) == (TERMINAL, None, ("*",))


def test_outcomes_are_those_of_the_core(loaded):
    found = sink(loaded, "kind: log, outcomes: [failed, partially_failed]")
    assert found.outcomes == {Outcome.FAILED, Outcome.PARTIALLY_FAILED}


def test_no_sinks_at_all_may_be_wanted(loaded):
    assert loaded("sinks: []\n").sinks == ()


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_signing_secret_of_the_size_that_the_standard_allows_is_taken(loaded, size):
    assert len(webhook(loaded, secret_bytes=size).secrets) == 1


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_signing_secret_of_another_size_is_refused(loaded, size):
    with pytest.raises(ConfigError, match="must be whsec_ and 24 to 64 bytes"):
        webhook(loaded, secret_bytes=size)


def test_private_and_shared_keys_may_be_mixed(loaded):
    private = f"whsk_{base64.b64encode(bytes(32)).decode()}"
    secrets = f"'{private}', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'"
    found = sink(loaded, f"kind: webhook, url: 'https://a.example.com', secrets: [{secrets}]")
    assert [secret.get_secret_value() for secret in found.secrets] == secrets.replace("'", "").split(", ")


@pytest.mark.parametrize("written", ["whsk_AAAA", f"whsk_{base64.b64encode(bytes(64)).decode()}"])
def test_what_is_no_private_key_is_refused(loaded, written):
    with pytest.raises(ConfigError, match="or whsk_ and an ed25519 private key in base64"):
        sink(loaded, f"kind: webhook, url: 'https://a.example.com', secrets: ['{written}']")


def test_a_receivers_public_key_is_refused_with_the_right_word(loaded):
    public = f"whpk_{base64.b64encode(bytes(32)).decode()}"
    with pytest.raises(ConfigError, match="must be the private key, whsk_…") as caught:
        sink(loaded, f"kind: webhook, url: 'https://a.example.com', secrets: ['{public}']")
    assert public not in str(caught.value)


@pytest.mark.parametrize("name", ["User-Agent", "accept-encoding", "Traceparent", "Webhook-Id", "content-type", "Host"])
def test_a_header_that_relay_sets_itself_cannot_be_set(loaded, name):
    with pytest.raises(ConfigError, match=f"headers.{name}: is a header that relay sets itself"):
        webhook(loaded, f"headers: {{{name}: mine}}")


@pytest.mark.parametrize(
    "proxy", ["http://proxy:3128", "https://user:p%40ss@proxy.example.com", "http://10.0.0.1:3128/"]
)
def test_a_proxy_may_be_anywhere(loaded, proxy):
    assert webhook(loaded, f"proxy: '{proxy}'").proxy.get_secret_value() == proxy


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "socks5://proxy", "http://proxy:0", "http://proxy:port", "http://a b", "http://[::1"]
)
def test_what_is_no_proxy_is_refused(loaded, proxy):
    with pytest.raises(ConfigError, match=r"must be a URL such as http://proxy\.example\.com:3128"):
        webhook(loaded, f"proxy: '{proxy}'")


@pytest.mark.parametrize("host", ["*", "hooks.acme.com", "*.svc.cluster.local", "hooks.*.acme.com", "10.1.2.3", "web"])
def test_callbacks_may_go_to_hosts_and_to_patterns_that_end_with_a_name(loaded, host):
    section = f"allow: [{{host: '{host}', secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}}]"
    (entry,) = loaded(f"callbacks: {{{section}}}\n").callbacks.allow
    assert (entry.host, entry.allow_http, entry.allow_private, len(entry.secrets)) == (host, False, False, 1)


def test_plain_http_only_where_it_is_allowed(loaded):
    assert webhook(loaded, "allow_http: true", url="http://a.example.com").url == "http://a.example.com"
    with pytest.raises(ConfigError, match="must be an https URL unless allow_http is true"):
        webhook(loaded, url="http://a.example.com")


def test_the_schedule_of_retries_is_the_standards(loaded):
    """0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: 75.6 hours in all."""
    assert sum(webhook(loaded).retry_schedule_seconds) / 3600 == pytest.approx(75.6, abs=0.05)
    assert webhook(loaded, "retry_schedule_seconds: [0, 0.5]").retry_schedule_seconds == (0, 0.5)
