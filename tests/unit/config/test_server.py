import pytest

from relay.errors import ConfigError

KEYS = "api_keys: [{name: orders, key: 0123456789abcdef-key}]"


def server(loaded, keys):
    return loaded(f"server: {{{keys}}}\n").server


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("127.1.2.3:0", "127.1.2.3", 0),
        ("localhost:80", "localhost", 80),
        ("[::1]:8080", "::1", 8080),
    ],
)
def test_a_loopback_address_needs_no_keys(loaded, text, host, port):
    listen = server(loaded, f"listen: '{text}'").listen
    assert (listen.host, listen.port, str(listen)) == (host, port, text)


@pytest.mark.parametrize("address", ["0.0.0.0:80", "[::]:80", "192.168.1.1:80", "relay.internal:80"])
def test_an_address_that_others_reach_needs_keys(loaded, address):
    assert server(loaded, f"listen: '{address}', {KEYS}").api_keys
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        server(loaded, f"listen: '{address}'")


def test_the_lines_that_the_error_prints_are_enough(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded("server: {listen: '0.0.0.0:80'}\n")
    lines = str(caught.value).split("\n\n")[1]
    keyed = loaded(f"{lines}\n  listen: 0.0.0.0:80\n", environ={"RELAY_API_KEY": "0123456789abcdef"})
    assert keyed.server.api_keys[0].key.get_secret_value() == "0123456789abcdef"


def test_metrics_may_have_an_address_that_others_reach(loaded):
    assert server(loaded, "metrics_listen: '0.0.0.0:9090'").metrics_listen.port == 9090


def test_a_key_may_submit_and_read_everywhere_unless_it_says_otherwise(loaded):
    (key,) = server(loaded, KEYS).api_keys
    assert key.scopes == {"submit", "read"}
    assert key.accounts == ("*",)


def test_a_key_says_what_it_may_do_and_where(loaded):
    (key,) = server(
        loaded, "api_keys: [{name: a, key: 0123456789abcdef, scopes: [admin], accounts: ['acme-*', beta]}]"
    ).api_keys
    assert key.scopes == {"admin"}
    assert key.accounts == ("acme-*", "beta")
