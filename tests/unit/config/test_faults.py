import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.faults import SHOWN_CHARACTERS_MAX, alternatives, dotted, printable


def test_a_key_is_written_as_one_would_look_it_up():
    assert dotted(("accounts", 0, "rate", "share")) == "accounts[0].rate.share"
    assert dotted(()) == ""


def test_choices_read_as_a_sentence():
    assert [alternatives(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a or b", "a, b or c"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ("", '""'),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
        ([1], "a list of 1"),
        ({}, "a mapping"),
        ("https://user:password@host/path?key=secret", '"https://***@host/path?***"'),
    ],
)
def test_a_value_is_shown_as_one_would_write_it(value, text):
    assert printable(value) == text


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="/"), min_size=8))
def test_whatever_is_shown_is_short_and_on_one_line_and_has_no_password(text, password):
    assert len(printable(text).splitlines()) == 1
    assert len(printable("x" * 1000 + text)) == SHOWN_CHARACTERS_MAX + 2
    assert password not in printable(f"https://user:{password}@host/")
