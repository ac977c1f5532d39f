from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import DeliveryKey
from relay.core.job import Cursor
from relay.intake import opaque

SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
TIMES = st.floats(0, 1e11)
WORDS = st.text(st.characters(codec="utf-8"))
READERS = (opaque.read_jobs_cursor, opaque.read_place, opaque.read_deliveries_cursor, opaque.read_delivery_id)


@given(st.builds(Cursor, tracked_at=TIMES, account=WORDS, id=WORDS))
def test_a_cursor_of_jobs_comes_back_as_it_went(cursor):
    text = opaque.write_jobs_cursor(cursor)
    assert opaque.read_jobs_cursor(text) == cursor
    assert set(text) <= SAFE


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1).map(tuple))
def test_a_cursor_of_events_comes_back_as_it_went(place):
    text = opaque.write_place(place)
    assert opaque.read_place(text) == place
    assert set(text) <= SAFE


def test_a_place_in_one_partition_is_written_as_ever():
    """Readers hold on to it for as long as they like, and a browser for as long as a page is open."""
    assert opaque.write_place((12,)) == "WzEyXQ"


@given(st.builds(DeliveryKey, TIMES, WORDS, WORDS, WORDS))
def test_what_names_a_delivery_comes_back_as_it_went(key):
    """Also a time that JSON writes without a fraction: it is still the key of the same row."""
    text = opaque.write_delivery_id(key)
    assert opaque.read_delivery_id(text) == key
    assert text.startswith("dlv_")
    assert set(text) <= SAFE
    assert opaque.read_deliveries_cursor(opaque.write_deliveries_cursor(key)) == key


@given(st.sampled_from(READERS), st.text())
def test_any_other_text_is_a_value_error(read, text):
    with suppress(ValueError):
        read(text)


@pytest.mark.parametrize("fields", [(), (-1,), (1.5,), (True,), ("1",), (1, None), (1, -2), (2**63,)])
def test_a_place_is_of_numbers_that_a_ledger_can_hold(fields):
    with pytest.raises(ValueError, match="cursor"):
        opaque.read_place(opaque.write(*fields))


@pytest.mark.parametrize("moment", [True, None, "1"])
@pytest.mark.parametrize("read", [opaque.read_jobs_cursor, opaque.read_deliveries_cursor])
def test_a_moment_is_a_number(read, moment):
    with pytest.raises(ValueError, match="not the fields"):
        read(opaque.write(moment, "a", "b", "c"))


@pytest.mark.parametrize("moment", [1, 2**63])
def test_a_whole_moment_is_taken_as_the_ledger_has_it(moment):
    found = opaque.read_jobs_cursor(opaque.write(moment, "a", "b")).tracked_at
    assert (type(found), found) == (float, moment)
