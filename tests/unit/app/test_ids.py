import io
from types import SimpleNamespace

import pytest

from relay.app import ids
from relay.errors import ConfigError


@pytest.fixture
def standard_input(monkeypatch):
    def holds(content):
        monkeypatch.setattr(ids.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return holds


def test_a_minus_stands_for_what_is_on_standard_input(standard_input):
    standard_input(b"V3-2 V3-3\n\n\tV3-4\r\n\xff")
    assert ids.read(["V3-1", "-", "V3-5"]) == ["V3-1", "V3-2", "V3-3", "V3-4", "\N{REPLACEMENT CHARACTER}", "V3-5"]


def test_an_id_that_is_given_twice_is_meant_once(standard_input):
    standard_input(b"b a b")
    assert ids.read(["a", "-", "c", "a"]) == ["a", "b", "c"]


def test_without_any_id_there_is_nothing_to_do(standard_input):
    standard_input(b" \n")
    with pytest.raises(ConfigError, match="no id on standard input"):
        ids.read(["-"])
