"""What a reference gives is read as the key needs it."""

import pytest

from relay.errors import ConfigError


@pytest.mark.parametrize(("value", "read"), [("8", 8), ("08", None), ("8.5", None), ("eight", None), ("[8]", None)])
def test_a_number_may_come_from_the_environment(loaded, value, read):
    text = (
        "sinks: [{name: a, kind: webhook, url: https://a.example.com, concurrency: ${N},"
        " secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}]\n"
    )
    if read is None:
        with pytest.raises(ConfigError, match=r"must be a whole number from 1 to 1,000, not \*\*\* \(from \$\{N\}\)"):
            loaded(text, environ={"N": value})
    else:
        assert loaded(text, environ={"N": value}).sinks[0].concurrency == read


def test_true_and_false_may_come_from_the_environment(loaded):
    assert loaded("metrics: {account_label: ${LABEL}}\n", environ={"LABEL": "false"}).metrics.account_label is False


def test_an_empty_value_is_null_where_null_is_allowed(loaded):
    text = "accounts: [{name: a, base_url: https://a.b, proxy: '${PROXY:-}', auth: {kind: bearer, token: t}}]\n"
    assert loaded(text, with_account=False).accounts[0].proxy is None
    assert loaded("server: {metrics_listen: '${METRICS:-}'}\n").server.metrics_listen is None


def test_text_that_looks_like_a_number_stays_text(loaded):
    text = "accounts: [{name: '${N}', base_url: https://a.b, auth: {kind: bearer, token: ${N}}}]\n"
    (account,) = loaded(text, with_account=False, environ={"N": "0123"}).accounts
    assert (account.name, account.auth.token.get_secret_value()) == ("0123", "0123")


def test_an_inherited_number_may_come_from_the_environment(loaded):
    config = loaded("account_defaults: {rate: {share: ${SHARE}}}\n", environ={"SHARE": "0.5"})
    assert config.accounts[0].rate.share == 0.5
    assert config.account_defaults.rate.share == 0.5


def test_text_with_a_reference_in_it_is_never_a_number(loaded):
    with pytest.raises(ConfigError, match="must be a number"):
        loaded("polling: {fresh_within_seconds: '1${N}'}\n", environ={"N": "2"})


def test_a_fault_that_is_inherited_is_told_once_where_it_stands(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded("account_defaults: {rate: {share: 3}}\n")
    assert str(caught.value) == ("config.yaml:2: account_defaults.rate.share: must be a number above 0, up to 1, not 3")
