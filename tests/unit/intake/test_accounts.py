from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.intake.accounts import NAMES_SHOWN_MAX, Account, Directory, authority
from relay.intake.keys import ANYONE, Caller, Scope
from relay.intake.problems import Code, Refused

ACME = Account(name="acme", base_url="https://acme.zendesk.com", hosts=("support.acme.test", "odd.acme.test:8443"))
GLOBEX = Account(name="globex", base_url="https://globex.zendesk.com/")
LOCAL = Account(name="local", base_url="http://127.0.0.1:8090")
TWIN = Account(name="twin", base_url="http://127.0.0.1:8090")
DIRECTORY = Directory([TWIN, GLOBEX, ACME, LOCAL])
RESTRICTED = Caller(name="orders", scopes=frozenset(Scope), accounts=("acme", "twin"))


def refusal(account=None, url=None, *, caller=ANYONE, directory=DIRECTORY):
    with pytest.raises(Refused) as caught:
        directory.resolve(caller, account, url)
    return caught.value


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("https://acme.zendesk.com/api/v2/job_statuses/82de.json", "acme"),
        ("https://ACME.zendesk.com./x", "acme"),
        ("https://acme.zendesk.com:443/x", "acme"),
        ("http://acme.zendesk.com/x", "acme"),
        ("https://acme.zendesk.com", "acme"),
        ("https://acme.zendesk.com?x=/y", "acme"),
        ("https://support.acme.test/x", "acme"),
        ("https://odd.acme.test:8443/x", "acme"),
        ("https://globex.zendesk.com/x", "globex"),
    ],
)
def test_the_account_is_the_one_whose_host_the_url_has(url, account):
    assert DIRECTORY.resolve(ANYONE, None, url) == account


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.zendesk.com:8443/x",
        "https://odd.acme.test/x",
        "http://127.0.0.1/x",
        "http://127.0.0.1:9/x",
        "https://acme.zendesk.com@evil.test/x",
        "https://acme.zendesk.com.evil.test/x",
        "ftp://acme.zendesk.com/x",
        "acme.zendesk.com",
        "https://[acme/x",
        "https://acme.zendesk.com:port/x",
        "",
    ],
)
def test_another_port_host_or_scheme_is_not_the_account(url):
    assert refusal(url=url).code is Code.ACCOUNT_REQUIRED


def test_the_named_account_goes_before_the_url():
    assert DIRECTORY.resolve(ANYONE, "globex", "https://acme.zendesk.com/x") == "globex"


def test_the_only_account_is_meant_where_nothing_else_says():
    only = Directory([ACME])
    assert only.resolve(ANYONE, None, None) == "acme"
    assert only.resolve(ANYONE, None, "https://elsewhere.test/x") == "acme"


def test_of_several_accounts_one_must_be_named():
    refused = refusal()
    assert (refused.code, refused.at) == (Code.ACCOUNT_REQUIRED, "")
    assert "acme, globex, local, twin" in refused.detail


def test_a_host_of_several_accounts_does_not_decide():
    refused = refusal(url="http://127.0.0.1:8090/x")
    assert refused.code is Code.ACCOUNT_REQUIRED
    assert "local, twin" in refused.detail


def test_a_host_of_several_accounts_decides_for_a_caller_who_sees_one_of_them():
    assert DIRECTORY.resolve(RESTRICTED, None, "http://127.0.0.1:8090/x") == "twin"


@pytest.mark.parametrize(("account", "url"), [("globex", None), (None, "https://globex.zendesk.com/x"), ("nope", None)])
def test_an_account_out_of_sight_is_unknown_and_no_other_name_is_told(account, url):
    refused = refusal(account, url, caller=RESTRICTED)
    assert refused.code is Code.UNKNOWN_ACCOUNT
    assert refused.at == ("/account" if account else "/job_status/url")
    assert "acme, twin" in refused.detail
    assert "local" not in refused.detail
    assert account == "globex" or "globex" not in refused.detail


def test_the_only_account_out_of_sight_is_unknown():
    refused = refusal(caller=RESTRICTED, directory=Directory([GLOBEX]))
    assert refused.code is Code.UNKNOWN_ACCOUNT
    assert "globex" not in refused.detail


def test_a_relay_without_accounts_says_so():
    assert refusal(directory=Directory([])).detail == "name the account; none is known"


def test_a_long_name_and_a_long_list_are_cut():
    many = Directory(Account(name=f"account{n:04}", base_url=f"https://a{n}.test") for n in range(5000))
    assert len(refusal("x" * 10_000, directory=many).detail) < 64 + 20 * NAMES_SHOWN_MAX
    assert "4990 more" in refusal("x", directory=many).detail


@given(st.text())
def test_any_text_as_url_is_an_account_or_a_refusal(url):
    with suppress(Refused):
        assert DIRECTORY.resolve(ANYONE, None, url) in {"acme", "globex"}


@given(st.from_regex(r"[a-z0-9.-]{1,40}", fullmatch=True).filter(lambda host: host.strip(".")), st.integers(1, 65535))
def test_scheme_and_default_port_make_no_difference_and_other_ports_do(host, port):
    plain = authority(f"https://{host}")
    assert authority(f"https://{host}:443") == authority(f"http://{host}:80") == plain
    assert (authority(f"https://{host}:{port}") == plain) is (port == 443)


@pytest.mark.parametrize("name", ["acme", "globex", "nobody"])
def test_which_accounts_are_configured_can_be_asked(name):
    assert (name in DIRECTORY) == (name != "nobody")


@pytest.mark.parametrize(
    ("key", "account", "url", "found"),
    [
        (b"globex", "acme", "https://globex.zendesk.com/x", "acme"),
        (b"acme", None, "https://globex.zendesk.com/x", "globex"),
        (b"acme", None, "https://unknown.zendesk.com/x", "acme"),
        (b"new-one", None, None, "new-one"),
        (None, "new-one", None, "new-one"),
        (b"twin", None, "http://127.0.0.1:8090/x", "twin"),
    ],
)
def test_a_record_tells_its_account_by_name_then_by_host_then_by_key(key, account, url, found):
    """A name that is not configured here may be elsewhere, or soon."""
    assert DIRECTORY.resolve_record(key, account, url) == found


@pytest.mark.parametrize(
    ("key", "account", "url", "code"),
    [
        (None, "No Name", None, Code.INVALID_FIELD),
        (None, None, None, Code.ACCOUNT_REQUIRED),
        (b"No Name", None, None, Code.ACCOUNT_REQUIRED),
        (b"\xff", None, None, Code.ACCOUNT_REQUIRED),
        (b"acme", None, "http://127.0.0.1:8090/x", Code.ACCOUNT_REQUIRED),
    ],
)
def test_a_record_that_does_not_tell_its_account_is_refused(key, account, url, code):
    with pytest.raises(Refused) as caught:
        DIRECTORY.resolve_record(key, account, url)
    assert caught.value.code is code


def test_where_there_is_only_one_account_a_record_needs_to_tell_none():
    assert Directory([ACME]).resolve_record(None, None, None) == "acme"
