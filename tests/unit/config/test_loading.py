import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Config, annotated, load
from relay.errors import ConfigError


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no such file; `relay init` writes one"):
        load(tmp_path / "config.yaml", {})


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})
    (tmp_path / "latin").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(tmp_path / "latin", {})


def test_the_defaults_are_those_of_the_annotated_file(loaded):
    """A file with nothing but accounts and the shipped file differ in the accounts only."""
    shipped, bare = loaded(annotated(), with_account=False), loaded("")
    assert bare == shipped.model_copy(update={"accounts": bare.accounts})


def test_defaults_look_at_the_environment_like_the_shipped_file(loaded):
    config = loaded("", environ={"RELAY_LISTEN": "127.0.0.1:9999", "RELAY_DATA": "/data"})
    assert config.server.listen.port == 9999
    assert config.ledger.path == "/data/relay.db"
    with pytest.raises(ConfigError, match=r"server\.listen: must be host:port"):
        loaded("", environ={"RELAY_LISTEN": "nowhere"})


def test_a_section_of_the_file_keeps_the_other_defaults_of_that_section(loaded):
    config = loaded("server: {metrics_listen: '127.0.0.1:9090'}\nledger: {kind: sqlite}\n")
    assert str(config.server.listen) == "127.0.0.1:8080"
    assert config.ledger.path == "./relay.db"


def test_faults_are_told_in_the_order_of_the_file_and_once(loaded):
    with pytest.raises(ConfigError) as caught:
        loaded("server: {listen: ${MISSING}}\nmetrics: {z: 1}\nevents: {results: x}\nlog: {level: y}\n")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        f"config.yaml:{line}" for line in (2, 3, 4, 5)
    ]


@pytest.mark.parametrize("secret", ["s3cret-token", "s3cret-key-of-sixteen", "s3cret-header", "s3cret-proxy"])
@pytest.mark.parametrize("form", [repr, str, Config.model_dump_json, lambda config: repr(config.model_dump())])
def test_a_configuration_prints_no_secret(loaded, secret, form):
    config = loaded(
        "server: {api_keys: [{name: a, key: ${KEY}}]}\n"
        "accounts:\n"
        "  - name: acme\n"
        "    base_url: https://acme.zendesk.com\n"
        "    auth: {kind: bearer, token: '${file:/run/token}'}\n"
        "    headers: {X-Key: s3cret-header}\n"
        "    proxy: http://user:s3cret-proxy@proxy:3128\n"
        "sinks: [{name: a, kind: webhook, url: https://a.example.com, headers: {Authorization: s3cret-header},"
        " secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}]\n",
        with_account=False,
        environ={"KEY": "s3cret-key-of-sixteen"},
        files={"/run/token": "s3cret-token\n"},
    )
    assert config.accounts[0].auth.token.get_secret_value() == "s3cret-token"
    assert secret not in form(config)
    assert "MfKQ9r8G" not in form(config)


def test_a_changed_file_is_seen_by_loading_again(loaded):
    files = {}
    text = "accounts: [{name: a, base_url: https://a.b, auth: {kind: bearer, token: '${file:/run/token}'}}]"
    for token in ("one", "two"):
        files["/run/token"] = token
        config = loaded(text, with_account=False, files=files)
        assert config.accounts[0].auth.token.get_secret_value() == token


SHIPPED = yaml.safe_load(annotated().replace("token: demo", "token: s3cret-token"))


def outcome(text):
    try:
        return repr(load(Path("config.yaml"), {"A": "1"}, lambda _: text))
    except ConfigError as error:
        return str(error)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("${A}"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def places(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


@given(data=st.data(), replacement=json_values)
def test_whatever_stands_in_a_place_it_is_taken_or_refused(data, replacement):
    """A `Config` or a ConfigError, never anything else; the secret elsewhere in the file is never told."""
    values = copy.deepcopy(SHIPPED)
    path = data.draw(st.sampled_from([place for place in places(values) if place]))
    parent = values
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = replacement
    assert "s3cret" not in outcome(json.dumps(values))
