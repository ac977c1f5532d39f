import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.job import Cursor
from relay.intake.problems import Code, Problem
from relay.intake.queries import ListQuery, ReadQuery, decode_cursor, encode_cursor, read

CURSOR = Cursor(tracked_at=1_700_000_000.125, account="acme", id="V3-1")


def refused(model, *pairs):
    with pytest.raises(Problem) as caught:
        read(model, pairs)
    assert (caught.value.status, caught.value.code) == (422, Code.INVALID_FIELD)
    assert [(fault.index, fault.pointer) for fault in caught.value.faults] == [(None, None)]
    return caught.value.detail


@given(st.floats(0, 1e11), st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_a_cursor_comes_back_as_it_went(tracked_at, account, job_id):
    cursor = Cursor(tracked_at=tracked_at, account=account, id=job_id)
    text = encode_cursor(cursor)
    assert decode_cursor(text) == cursor
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text())
def test_any_text_as_cursor_is_a_cursor_or_a_value_error(text):
    with suppress(ValueError):
        assert isinstance(decode_cursor(text), Cursor)


@pytest.mark.parametrize(
    "text", ["x", "ä", "!!!!", encode_cursor(CURSOR)[:-2], *(base64.b64encode(raw).decode() for raw in (b"{}", b"[1]"))]
)
def test_a_garbled_cursor_is_refused(text):
    assert "cursor" in refused(ListQuery, ("cursor", text))


def test_a_list_without_a_query_is_the_first_hundred_of_everything():
    assert read(ListQuery, []) == ListQuery(account=None, state=None, limit=100, cursor=None)


def test_a_list_with_all_its_parameters():
    pairs = [("account", "acme"), ("state", "working"), ("limit", "1000"), ("cursor", encode_cursor(CURSOR))]
    query = read(ListQuery, pairs)
    assert (query.account, query.state, query.limit, query.cursor) == ("acme", "working", 1000, CURSOR)


def test_an_empty_value_is_the_same_as_leaving_it_out():
    assert read(ListQuery, [("account", ""), ("state", ""), ("limit", ""), ("cursor", "")]) == read(ListQuery, [])
    assert read(ReadQuery, [("wait", "")]).wait == 0


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "1.5", "ten", "1e2"])
def test_a_limit_beside_its_range_is_refused(limit):
    assert refused(ListQuery, ("limit", limit)).startswith("limit: ")


@pytest.mark.parametrize("wait", ["0", "60", "2.5"])
def test_a_wait_may_be_up_to_a_minute(wait):
    assert read(ReadQuery, [("wait", wait)]).wait == float(wait)


@pytest.mark.parametrize("wait", ["-1", "60.1", "nan", "inf", "forever", "30s"])
def test_any_other_wait_is_refused(wait):
    assert refused(ReadQuery, ("wait", wait)).startswith("wait: ")


def test_an_unknown_or_repeated_parameter_is_refused():
    assert "did you mean limit?" in refused(ListQuery, ("limt", "5"))
    assert refused(ListQuery, ("account", "a"), ("account", "b")) == "account: given twice"
