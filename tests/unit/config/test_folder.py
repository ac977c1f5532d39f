"""Account files: their forms, what they inherit, and how their faults are told."""

from pathlib import Path

import pytest

from relay.config.folder import account_files
from relay.errors import ConfigError

MAIN = "accounts_dir: accounts\n"
AUTH = "auth: {kind: bearer, token: s3cret-token}"


def accounts(loaded, *files, main=MAIN, with_account=False, **options):
    """The names by file, in the order of the configuration."""
    given = {f"accounts/{number}.yaml": text for number, text in enumerate(files)}
    return loaded(main, with_account=with_account, files=given, **options).accounts


def one(name):
    return f"{{name: {name}, base_url: https://{name}.zendesk.com, {AUTH}}}"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (one("a"), ["a"]),
        (f"name: a\nbase_url: https://a.zendesk.com\n{AUTH}\n", ["a"]),
        (f"[{one('a')}, {one('b')}]", ["a", "b"]),
        (f"- {one('a')}\n- {one('b')}\n", ["a", "b"]),
        (f"accounts: [{one('a')}, {one('b')}]", ["a", "b"]),
        ("[]", []),
        ("accounts: []", []),
    ],
)
def test_a_file_holds_an_account_or_a_list_of_them(loaded, text, names):
    assert [account.name for account in accounts(loaded, text)] == names


def test_accounts_of_the_configuration_come_first_and_then_the_files_by_name(loaded):
    found = accounts(loaded, one("x"), one("b"), with_account=True)
    assert [account.name for account in found] == ["acme", "x", "b"]


def test_accounts_of_a_file_inherit_as_those_of_the_configuration_do(loaded):
    main = (
        f"{MAIN}polling: {{lost_after_seconds: 30}}\n"
        "account_defaults:\n"
        "  rate: {max_requests_per_minute: 30, share: 0.5}\n"
        "  auth: {kind: bearer, token: '${file:/run/token}'}\n"
    )
    files = {
        "/run/token": "s3cret-token\n",
        "accounts/a.yaml": "{name: a, base_url: https://a.zendesk.com, rate: {share: 0.1}}",
        "accounts/b.yaml": "{name: b, base_url: https://b.zendesk.com, polling: {lost_after_seconds: 3}}",
    }
    a, b = loaded(main, with_account=False, files=files).accounts
    assert (a.rate.max_requests_per_minute, a.rate.share, a.rate.reserve) == (30, 0.1, 0.25)
    assert (a.polling.lost_after_seconds, b.polling.lost_after_seconds) == (30, 3)
    assert a.auth.token.get_secret_value() == "s3cret-token"


def test_references_are_resolved(loaded):
    (found,) = accounts(
        loaded, "{name: a, base_url: https://a.b, auth: {kind: bearer, token: ${TOKEN}}}", environ={"TOKEN": "t"}
    )
    assert found.auth.token.get_secret_value() == "t"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: a\nbase_url: https://a.b\nrate: {share: 3}\n" + AUTH, "0.yaml:3: rate.share: must be"),
        ("name: a\nbase_url: https://a.b\n", "0.yaml:1: auth: is required"),
        (f"- {one('a')}\n- {{name: b, base_url: https://b.b}}\n", "0.yaml:2: [1].auth: is required"),
        (f"accounts:\n- {one('a')}\n- {one('a')}\n", "0.yaml:3: accounts[1].name: is also the name of"),
        ("name: [\n", "0.yaml:2:1: is not valid YAML"),
        ("", "0.yaml: holds nothing; without accounts it must say so: []"),
        ("# nothing yet\n", "0.yaml: holds nothing"),
        ("just text", "0.yaml:1: must be a list, not ***"),
        (f"{{accounts: [{one('a')}], rate: {{}}}}", "0.yaml:1: rate: is not a known key"),
        ("{name: a, base_url: https://a.b, auth: {kind: bearer, token: ${NONE}}}", "0.yaml:1: auth.token: needs the"),
        (
            one("a").replace("auth", "ca_file: absent.pem, auth"),
            "0.yaml:1: ca_file: absent.pem cannot be used: No such",
        ),
    ],
)
def test_a_fault_is_told_with_file_line_and_key_as_they_are_in_the_file(loaded, text, fault):
    with pytest.raises(ConfigError) as caught:
        accounts(loaded, text)
    assert f"accounts/{fault}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (one("acme"), "accounts/0.yaml:1: name: acme belongs to an account in config.yaml already"),
        (
            f"- {one('x')}\n- {{name: y, base_url: https://ACME.zendesk.com, {AUTH}}}",
            "accounts/0.yaml:2: [1].base_url: acme.zendesk.com belongs to an account in config.yaml already",
        ),
        (
            one("x").replace("auth", "hosts: [acme.zendesk.com], auth"),
            "accounts/0.yaml:1: hosts: acme.zendesk.com belongs to an account in config.yaml already",
        ),
    ],
)
def test_names_and_hosts_are_unique_across_all_files(loaded, second, fault):
    with pytest.raises(ConfigError) as caught:
        accounts(loaded, second, with_account=True)
    assert str(caught.value) == fault


def test_on_loopback_accounts_of_several_files_may_share_a_base_url(loaded):
    local = f"base_url: 'http://127.0.0.1:8090', allow_http: true, {AUTH}"
    assert len(accounts(loaded, f"{{name: a, {local}}}", f"{{name: b, {local}}}")) == 2


def test_faults_of_all_files_are_told_at_once(loaded):
    with pytest.raises(ConfigError) as caught:
        accounts(loaded, "name: a", one("b"), one("b"), "[")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "accounts/0.yaml",
        "accounts/0.yaml",
        "accounts/3.yaml",
        "accounts/2.yaml",
    ]


def test_account_files_are_those_that_are_named_so_and_not_hidden(tmp_path):
    """A volume of Kubernetes: links into a hidden folder, which is itself a link."""
    version = tmp_path / "..2026_01_01"
    version.mkdir()
    for name in ("b.yaml", "a.yml", "notes.txt", ".hidden.yaml", "c.yaml~"):
        (version / name).touch()
        (tmp_path / name).symlink_to(Path("..data") / name)
    (tmp_path / "..data").symlink_to("..2026_01_01")
    assert account_files(tmp_path) == ["a.yml", "b.yaml"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        account_files(tmp_path / "absent")
