import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from relay.config import document as module
from relay.config.document import parse
from relay.errors import ConfigError


def document(text, environ=None):
    return parse(text, "config.yaml", environ or {}, lambda path: f"text of {path}")


def test_every_key_and_element_has_its_line():
    lines = document("a:\n  - x\n  -\n    b: 1\nc: {d: 2,\n  e: 3}\n").lines
    assert lines[("a",)] == 1
    assert lines["a", 0] == 2
    assert lines["a", 1, "b"] == 4
    assert lines["c", "d"] == 5
    assert lines["c", "e"] == 6


@pytest.mark.parametrize("text", ["key: ${NAME}", "{key: ${NAME}}", "{key: ${X:-value}, b: 1}", "key: '${NAME}'"])
def test_references_need_no_quotes_even_in_flow_mappings(text):
    """As the contract's own examples write them."""
    assert document(text, {"NAME": "value"}).values["key"] == "value"


def test_a_reference_stays_text_whatever_it_looks_like():
    read = document("a: ${NAME}\nb: 12\n", {"NAME": "12"})
    assert read.values == {"a": "12", "b": 12}
    assert read.whole == {("a",)}
    assert read.sources == {("a",): ("${NAME}",)}


def test_keys_are_not_expanded():
    assert document("${NAME}: 1", {"NAME": "x"}).values == {"${NAME}": 1}


def test_anchors_and_merge_keys_work_as_in_yaml():
    read = document("base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\n")
    assert read.values["other"] == {"a": 1, "b": 3}
    assert not read.faults


def test_a_key_given_twice_is_a_fault_at_every_depth():
    faults = document("a: {b: 1, b: 2}\nc: [{d: 1,\n d: 2}]\na: 3\n").faults
    assert [str(fault) for fault in faults] == [
        "a: is given twice, first in line 1",
        "a.b: is given twice, first in line 1",
        "c[0].d: is given twice, first in line 2",
    ]


def test_an_unresolved_reference_is_a_fault_and_reading_goes_on():
    read = document("a: ${UNSET}\nb: 1\n")
    assert read.values["b"] == 1
    assert read.unresolved == {("a",)}
    assert len(read.faults) == 1


@pytest.mark.parametrize("text", ["a: [", "a: 'x", "\ta: 1", "a: *x", "a: 1\n---\nb: 2\n", "a: !x y"])
def test_what_is_no_yaml_is_refused_with_line_and_column(text):
    with pytest.raises(ConfigError, match=r"^config\.yaml:\d+:\d+: is not valid YAML: .+"):
        document(text)


@pytest.mark.parametrize("text", ["a: !!int s3cret", "a: !!bool s3cret", "a: !s3cret", "a: *s3cret", "a: '\x00s3cret'"])
def test_unquoted_secrets_that_look_like_yaml_are_not_shown(text):
    try:
        told = str(document(text).faults)
    except ConfigError as error:
        told = str(error)
    assert told
    assert "s3cret" not in told


@given(st.text(alphabet="ab: \n-[]{}&*!|>'\"#%@`,?$~<0.:\t", max_size=60))
def test_any_text_is_read_or_refused(text):
    """Nothing but ConfigError is raised, whatever the file holds."""
    with contextlib.suppress(ConfigError):
        document(text)


@pytest.mark.parametrize("text", ["- {name: a}\n- {name: b}\n", "accounts: [{name: a}, {name: b}]", "just text", ""])
def test_nothing_is_left_of_the_tree_that_yaml_made(monkeypatch, text):
    """Freed all in one, that of thousands of accounts would stop every other thread meanwhile."""
    roots = []

    class Loader(module._Loader):
        def get_single_node(self):
            roots.append(super().get_single_node())
            return roots[-1]

    monkeypatch.setattr(module, "_Loader", Loader)
    expected = yaml.safe_load(text)
    assert document(text).values == expected
    assert all(root is None or not isinstance(root.value, list) or root.value == [] for root in roots)
