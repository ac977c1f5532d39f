"""Which relay a backup is asked of, and what is never written over."""

import pytest

from relay.app.commands.ledger import backup
from relay.config.addresses import ListenAddress
from relay.config.server import ApiKey, Server
from relay.errors import ConfigError


def server(host="127.0.0.1", port=8080, **fields):
    return Server.model_construct(listen=ListenAddress(host=host, port=port), **fields)


@pytest.mark.parametrize(("host", "url"), [
    ("127.0.0.1", "http://127.0.0.1:8080"),
    ("0.0.0.0", "http://127.0.0.1:8080"),
    ("::", "http://[::1]:8080"),
    ("relay.example.com", "http://relay.example.com:8080"),
])  # fmt: skip
def test_a_relay_that_runs_is_called_where_it_listens(host, url):
    assert backup.address_of(server(host)) == url


def test_a_port_that_relay_chose_by_itself_must_be_told():
    with pytest.raises(ConfigError, match="--url"):
        backup.address_of(server(port=0))


def test_the_key_is_one_that_may_do_everything():
    def key(name, *scopes, accounts=("*",)):
        return ApiKey.model_validate(
            {"name": name, "key": f"{name}-0123456789abcdef", "scopes": scopes, "accounts": accounts}
        )

    keys = (key("reader", "read"), key("acme", "admin", accounts=["acme"]), key("root", "read", "admin"))
    assert backup.admin_key(server(api_keys=keys)) == "root-0123456789abcdef"
    assert backup.admin_key(server(api_keys=keys[:2])) is None


@pytest.mark.parametrize("suffix", ["-wal", ".lock"])
def test_a_file_that_a_relay_works_with_is_not_written_over(tmp_path, suffix):
    (tmp_path / "relay.db").write_bytes(b"ledger")
    (tmp_path / f"relay.db{suffix}").write_bytes(b"")
    with pytest.raises(ConfigError, match="name another"):
        backup.run(
            destination=tmp_path / "relay.db", force=True, config=tmp_path / "x", environ={}, url=None, api_key=None
        )
    assert (tmp_path / "relay.db").read_bytes() == b"ledger"
