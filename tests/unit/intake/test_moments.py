import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import timestamp
from relay.intake.moments import moment


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-14T22:13:20Z",
        "2023-11-14t22:13:20.000z",
        "2023-11-14 22:13:20+00:00",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14T23:13:20 01:00",  # as a query string makes of it
        "1700000000",
        "1700000000.0",
    ],
)
def test_one_moment_in_the_ways_that_people_write_it(text):
    assert moment(text) == 1_700_000_000


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_that_relay_shows_is_read_as_what_it_was(milliseconds):
    assert moment(timestamp(milliseconds / 1_000)) == pytest.approx(milliseconds / 1_000, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "-1",
        "1e9",
        "nan",
        "2023-11-14",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13",
        "2023-02-30T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_anything_else_is_no_moment(text):
    with pytest.raises(ValueError, match=r"\w"):
        moment(text)
