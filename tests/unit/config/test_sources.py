"""What a running relay reads again, when, and what it does about what is broken. Two looks: changed, then at rest."""

import os

import pytest

from relay.config import Sources
from relay.errors import ConfigError

AUTH = "auth: {kind: bearer, token: t}"


def account(name, more=AUTH):
    return f"{{name: {name}, base_url: https://{name}.zendesk.com, {more}}}"


class Files:
    def __init__(self, folder):
        self.config = folder / "config.yaml"
        self.accounts = folder / "accounts"
        self.token = folder / "token"
        self.accounts.mkdir()
        self.token.write_text("one\n")
        self.write()

    def write(self, more="", own="own"):
        secret = f"auth: {{kind: bearer, token: '${{file:{self.token}}}'}}"
        self.config.write_text(f"accounts_dir: {self.accounts}\naccounts: [{account(own, secret)}]\n{more}")

    def put(self, name, text):
        """As whoever cares for their readers writes files: at once."""
        fresh = self.accounts / ".fresh"
        fresh.write_text(text)
        fresh.rename(self.accounts / name)
        return self.accounts / name


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture
def sources(files):
    return Sources(files.config, {})


def look(sources):
    sources.look()
    sources.look()


def names(sources):
    return [one.name for one in sources.config.accounts]


def token(sources):
    return sources.config.accounts[0].auth.token.get_secret_value()


def test_accounts_of_the_folder_come_go_and_change(files, sources):
    assert names(sources) == ["own"]
    path = files.put("a.yaml", f"[{account('a')}, {account('b')}]")
    look(sources)
    assert names(sources) == ["own", "a", "b"]
    files.put("a.yaml", account("a", f"rate: {{share: 0.1}}, {AUTH}"))
    look(sources)
    assert names(sources) == ["own", "a"]
    assert sources.config.accounts[1].rate.share == 0.1
    path.unlink()
    look(sources)
    assert names(sources) == ["own"]
    assert sources.troubles == {}


def test_nothing_is_read_while_it_is_still_changing(files, sources):
    path = files.accounts / "a.yaml"
    path.write_text("")
    sources.look()
    path.write_text(f"[{account('a')}, ")
    sources.look()
    path.write_text(f"[{account('a')}, {account('b')}]")
    sources.look()
    assert (names(sources), sources.troubles) == (["own"], {})
    sources.look()
    assert names(sources) == ["own", "a", "b"]


def test_while_nothing_changes_nothing_is_made_anew(files, sources):
    files.put("a.yaml", account("a"))
    look(sources)
    before = sources.config
    look(sources)
    assert sources.config is before


def test_what_a_link_leads_to_is_what_counts(files, sources):
    """Kubernetes swaps the link ..data, and with it all files at once."""
    for version, share in [("..1", 0.1), ("..2", 0.2)]:
        folder = files.accounts / version
        folder.mkdir()
        (folder / "a.yaml").write_text(account("a", f"rate: {{share: {share}}}, {AUTH}"))
    (files.accounts / "..data").symlink_to("..1")
    (files.accounts / "a.yaml").symlink_to("..data/a.yaml")
    look(sources)
    assert sources.config.accounts[1].rate.share == 0.1
    (files.accounts / "..fresh").symlink_to("..2")
    (files.accounts / "..fresh").rename(files.accounts / "..data")
    look(sources)
    assert sources.config.accounts[1].rate.share == 0.2
    (files.accounts / "..data").unlink()
    look(sources)
    assert (names(sources), sources.troubles) == (["own"], {})


@pytest.mark.parametrize("broken", ["{name: ", "", "{name: a}", "\ud800"])
def test_a_file_that_breaks_keeps_its_accounts_and_is_told_of(files, sources, broken):
    path = files.put("a.yaml", account("a"))
    look(sources)
    path.write_bytes(broken.encode("utf-8", "surrogatepass"))
    look(sources)
    assert names(sources) == ["own", "a"]
    assert sources.troubles[path].text.startswith(str(path))
    files.put("a.yaml", account("b"))
    look(sources)
    assert (names(sources), sources.troubles) == (["own", "b"], {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_any_more_keeps_its_accounts(files, sources):
    path = files.put("a.yaml", account("a"))
    look(sources)
    path.chmod(0)
    look(sources)
    assert names(sources) == ["own", "a"]
    assert "Permission denied" in sources.troubles[path].text


def test_each_change_to_a_broken_file_is_another_trouble_and_each_look_is_not(files, sources):
    path = files.put("a.yaml", "{name: ")
    look(sources)
    first = sources.troubles[path]
    look(sources)
    assert sources.troubles[path] == first
    files.put("a.yaml", "{name: ")
    look(sources)
    assert sources.troubles[path] != first
    assert sources.troubles[path].text == first.text


def test_at_the_start_a_broken_file_is_left_out(files):
    files.put("a.yaml", account("a"))
    broken = files.put("b.yaml", "[")
    sources = Sources(files.config, {})
    assert names(sources) == ["own", "a"]
    assert list(sources.troubles) == [broken]


def test_at_the_start_a_configuration_that_is_broken_raises(files):
    files.token.unlink()
    with pytest.raises(ConfigError, match="needs the file"):
        Sources(files.config, {})


def test_at_the_start_a_folder_that_is_not_there_raises(files):
    files.accounts.rmdir()
    with pytest.raises(ConfigError, match=r"accounts_dir: .* cannot be read: No such file"):
        Sources(files.config, {})


def test_a_folder_that_goes_away_keeps_its_accounts_and_is_told_of_once(files, sources, tmp_path):
    files.put("a.yaml", account("a"))
    look(sources)
    files.accounts.rename(tmp_path / "elsewhere")
    look(sources)
    assert names(sources) == ["own", "a"]
    (trouble,) = sources.troubles.values()
    assert "cannot be read: No such file or directory" in trouble.text
    look(sources)
    assert list(sources.troubles.values()) == [trouble]
    (tmp_path / "elsewhere").rename(files.accounts)
    look(sources)
    assert (names(sources), sources.troubles) == (["own", "a"], {})


def test_a_file_that_claims_what_another_has_changes_nothing_until_it_is_free(files, sources):
    files.put("b.yaml", account("x"))
    look(sources)
    clash = files.put("a.yaml", f"[{account('a')}, {account('x')}]")
    look(sources)
    assert names(sources) == ["own", "x"]
    assert "x belongs to an account in" in sources.troubles[clash].text
    (files.accounts / "b.yaml").unlink()
    look(sources)
    assert (names(sources), sources.troubles) == (["own", "a", "x"], {})


def test_a_secret_is_read_again_when_its_file_changes(files, sources):
    assert token(sources) == "one"
    files.token.write_text("two\n")
    look(sources)
    assert token(sources) == "two"


def test_a_secret_of_an_account_file_is_read_again_when_its_file_changes(files, sources, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("one")
    files.put("a.yaml", account("a", f"auth: {{kind: bearer, token: '${{file:{secret}}}'}}"))
    look(sources)
    secret.write_text("two")
    look(sources)
    assert sources.config.accounts[1].auth.token.get_secret_value() == "two"


def test_a_secret_of_the_defaults_reaches_the_accounts_of_the_folder(files, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("one")
    files.write(f"account_defaults: {{auth: {{kind: bearer, token: '${{file:{secret}}}'}}}}\n")
    files.put("a.yaml", "{name: a, base_url: https://a.zendesk.com}")
    sources = Sources(files.config, {})
    secret.write_text("two")
    look(sources)
    assert sources.config.accounts[1].auth.token.get_secret_value() == "two"


def test_a_secret_that_vanishes_keeps_its_value_until_it_returns(files, sources):
    files.token.unlink()
    look(sources)
    assert token(sources) == "one"
    assert "needs the file" in sources.troubles[files.config].text
    files.token.write_text("two")
    look(sources)
    assert (token(sources), sources.troubles) == ("two", {})


def test_the_configuration_itself_is_read_again_only_when_asked_to(files, sources):
    files.write("retention: {finished_hours: 1}\n", own="other")
    files.token.write_text("two")
    look(sources)
    assert (names(sources), token(sources)) == (["own"], "two")
    assert sources.config.retention.finished_hours == 168
    sources.reload()
    assert names(sources) == ["other"]
    assert sources.config.retention.finished_hours == 1


@pytest.mark.parametrize("broken", ["accounts: [", "accounts_dir: absent\n", "ledger: {kind: kafka}\n"])
def test_a_configuration_that_is_broken_when_read_again_changes_nothing(files, sources, broken):
    """And its trouble lasts until it is read well, whatever becomes of other files meanwhile."""
    good = files.config.read_text()
    files.put("a.yaml", account("a"))
    look(sources)
    files.config.write_text(broken + (good if "kafka" in broken else ""))
    sources.reload()
    first = sources.troubles[files.config]
    files.token.write_text("two")
    look(sources)
    assert (names(sources), token(sources)) == (["own", "a"], "two")
    assert sources.troubles[files.config] == first
    files.config.write_text(good)
    sources.reload()
    assert sources.troubles == {}


def test_when_asked_to_everything_that_changed_is_read_at_once(files, sources):
    files.put("a.yaml", account("a"))
    files.token.write_text("two")
    sources.reload()
    assert (names(sources), token(sources)) == (["own", "a"], "two")


def test_another_folder_takes_the_place_of_the_former(files, sources, tmp_path):
    files.put("a.yaml", account("a"))
    look(sources)
    files.accounts = tmp_path / "others"
    files.accounts.mkdir()
    files.put("b.yaml", account("b"))
    files.write()
    sources.reload()
    assert names(sources) == ["own", "b"]


def test_defaults_that_changed_reach_the_accounts_of_the_folder(files, sources):
    files.put("a.yaml", account("a"))
    look(sources)
    files.write("polling: {lost_after_seconds: 7}\naccount_defaults: {rate: {share: 0.7}}\n")
    sources.reload()
    own, a = sources.config.accounts
    assert (own.rate.share, own.polling.lost_after_seconds) == (0.7, 7)
    assert (a.rate.share, a.polling.lost_after_seconds) == (0.7, 7)


def test_what_can_be_no_path_is_a_fault_like_any_other(files, sources):
    secret = 'auth: {kind: bearer, token: "${file:\\0}"}'
    broken = files.put("a.yaml", account("a", secret))
    look(sources)
    assert "${file:…} with what is no path" in sources.troubles[broken].text
    files.config.write_text('accounts_dir: "a\\0"\n')
    sources.reload()
    assert "accounts_dir: must be a path" in sources.troubles[files.config].text
    assert names(sources) == ["own"]
