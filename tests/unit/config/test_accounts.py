import pytest

from relay.errors import ConfigError


def accounts(loaded, *accounts, before=""):
    return loaded(f"{before}accounts: [{', '.join(accounts)}]\n", with_account=False).accounts


def account(name="acme", url="https://acme.zendesk.com", more="auth: {kind: bearer, token: t}"):
    return f"{{name: {name}, base_url: '{url}', {more}}}"


def test_an_account_inherits_rate_and_polling_key_by_key_and_auth_as_a_whole(loaded):
    before = (
        "polling: {fresh_within_seconds: 3, lost_after_seconds: 30}\n"
        "account_defaults:\n"
        "  rate: {max_requests_per_minute: 30, share: 0.5}\n"
        "  polling: {lost_after_seconds: 40}\n"
        "  auth: {kind: api_token, email: bot@acme.com, token: t}\n"
    )
    plain, own = accounts(
        loaded,
        "{name: a, base_url: https://a.zendesk.com}",
        account("b", "https://b.zendesk.com", "rate: {share: 0.1}, auth: {kind: bearer, token: t}"),
        before=before,
    )
    assert (plain.rate.max_requests_per_minute, plain.rate.share, plain.rate.reserve) == (30, 0.5, 0.25)
    assert (own.rate.max_requests_per_minute, own.rate.share) == (30, 0.1)
    assert (plain.polling.fresh_within_seconds, plain.polling.lost_after_seconds) == (3, 40)
    assert (plain.auth.kind, own.auth.kind) == ("api_token", "bearer")


def test_an_accounts_own_polling_comes_first(loaded):
    (own,) = accounts(
        loaded,
        account(more="polling: {expire_after_hours: 0.5}, auth: {kind: bearer, token: t}"),
        before="polling: {expire_after_hours: 2, lost_after_seconds: 9}\n",
    )
    assert own.polling.expire_after_seconds == 1800
    assert own.polling.lost_after_seconds == 9


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://acme.zendesk.com/", "https://acme.zendesk.com"),
        ("https://ACME.zendesk.com:443", "https://acme.zendesk.com"),
        ("https://acme.zendesk.com:8443", "https://acme.zendesk.com:8443"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
    ],
)
def test_a_base_url_is_kept_in_one_form(loaded, written, kept):
    (found,) = accounts(loaded, account(url=written))
    assert found.base_url == kept


def test_an_account_knows_what_its_urls_may_have(loaded):
    (found,) = accounts(loaded, account(more="hosts: [help.acme.com], auth: {kind: bearer, token: t}"))
    assert found.authorities == {"acme.zendesk.com", "help.acme.com"}


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090"])
def test_on_loopback_accounts_may_share_a_base_url(loaded, host):
    plain = "allow_http: true, auth: {kind: bearer, token: t}"
    one, other = accounts(loaded, account("a", f"http://{host}", plain), account("b", f"http://{host}", plain))
    assert one.base_url == other.base_url


def test_accounts_at_different_ports_of_a_host_are_different(loaded):
    one, other = (f"https://gateway.example.com:{port}" for port in (8443, 9443))
    found = accounts(loaded, account("a", one), account("b", other))
    assert [each.base_url for each in found] == [one, other]


def test_a_rule_of_rates_holds_for_the_whole_that_an_account_has(loaded):
    before = "account_defaults: {rate: {floor_requests_per_minute: 100}}\n"
    plain = "auth: {kind: bearer, token: t}"
    (found,) = accounts(loaded, account(more=f"rate: {{max_requests_per_minute: 200}}, {plain}"), before=before)
    assert found.rate.floor_requests_per_minute == 100
    with pytest.raises(ConfigError, match="must not be above max_requests_per_minute, which is 60"):
        accounts(loaded, account(), before=before)


def test_an_account_may_name_its_own_host_again(loaded):
    accounts(loaded, account(more="hosts: [acme.zendesk.com], auth: {kind: bearer, token: t}"))


@pytest.mark.parametrize("kind", ["oauth_client_credentials", "oauth_refresh_token"])
def test_secrets_of_every_kind_of_auth_are_read(loaded, kind):
    last = "refresh_token: r" if kind == "oauth_refresh_token" else "scope: read"
    (found,) = accounts(loaded, account(more=f"auth: {{kind: {kind}, client_id: c, client_secret: s, {last}}}"))
    assert found.auth.client_secret.get_secret_value() == "s"


def test_a_floor_of_zero_is_allowed(loaded):
    (found,) = accounts(loaded, account(more="rate: {floor_requests_per_minute: 0}, auth: {kind: bearer, token: t}"))
    assert found.rate.floor_requests_per_minute == 0


def test_a_configuration_cannot_be_changed(loaded):
    (found,) = accounts(loaded, account())
    with pytest.raises(ValueError, match="frozen"):
        found.name = "other"


def test_no_account_is_an_error_that_shows_one_that_works(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded("", with_account=False)
    example = str(caught.value).partition("\n\n")[2]
    assert loaded(example, with_account=False, environ={"ACME_TOKEN": "t"}).accounts[0].name == "acme"
