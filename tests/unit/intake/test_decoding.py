import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.intake.decoding import decode
from relay.intake.problems import Code, Problem

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet=st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


def refused(raw):
    with pytest.raises(Problem) as caught:
        decode(raw)
    assert (caught.value.status, caught.value.code) == (400, Code.INVALID_JSON)
    return caught.value.detail


@given(VALUES)
def test_what_is_json_is_read_as_it_is(value):
    assert decode(orjson.dumps(value)) == value
    assert decode(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nope",
        b'{"id": "\xff"}',
        b'\xef\xbb\xbf{"id": "a"}',
        '{"id": "a"}'.encode("utf-16"),
        b'{"id": NaN}',
        b'{"id": Infinity}',
        b'{"id": 1e999}',
        b'{"id": "\\ud800"}',
        b'{"id": "a",}',
        b"{'id': 'a'}",
        b'{"id": "a"} {}',
        b"[" * 100_000,
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 900 + b"1" + b"}" * 900,
    ],
)
def test_what_is_not_json_for_every_reader_is_refused(raw):
    assert refused(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id": "a", "id": "a"}',
        b'{"metadata": {"key": 1, "k\\u0065y": 2}}',
        b'[{"a": {"b": 1, "b": ":"}}]',
        b'{"a": 1, "a": "\\u003a"}',
        b'{"a": {"b": 1}, "a": "::"}',
    ],
)
def test_a_key_that_stands_twice_in_one_object_is_refused(raw):
    assert "stands twice" in refused(raw)


@pytest.mark.parametrize(
    "raw", [b'{"a": "b\\u003ac"}', b'{"a:b": {"a:b": "::\\u003A"}}', b'{"n": ' + b"9" * 5000 + b"}"]
)
def test_colons_and_long_numbers_are_not_taken_for_repeated_keys(raw):
    if len(raw) < 5000:
        assert decode(raw) == json.loads(raw)
    else:
        refused(raw)


PAIRS = st.lists(st.tuples(st.sampled_from(["a", "b", ":", "\\u003a"]), st.sampled_from(["1", '":"', '"\\u003a"'])))


@given(PAIRS, PAIRS)
@example([("a", "1"), ("a", '"\\u003a"')], [])
def test_a_repeated_key_is_found_exactly(outer, inner):
    def text(pairs):
        return "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"

    raw = text([*outer, ("inner", text(inner))]).encode()
    repeated = any(len({json.loads(f'"{key}"') for key, _ in pairs}) < len(pairs) for pairs in (outer, inner))
    if repeated:
        refused(raw)
    else:
        assert decode(raw) == json.loads(raw)


@given(st.binary())
def test_any_bytes_are_a_value_or_a_problem(raw):
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        refused(raw)
    else:
        assert decode(raw) == orjson.loads(raw)
