import pytest

from relay.core.standing import SinkState
from relay.core.standstill import UNREADABLE, Standstill, decode, encode, mark_of


@pytest.mark.parametrize(
    "standstill",
    [
        Standstill(state=SinkState.PAUSED, since=1_750_000_000.5),
        Standstill(state=SinkState.DISABLED, since=1.0, error="gone: 410 weg"),
    ],
)
def test_what_was_recorded_is_read_again(standstill):
    assert decode(encode(standstill)) == standstill


@pytest.mark.parametrize("mark", [b"", b"paused", b"{}", b'{"state":"asleep","since":1,"error":null}', b"[]", b"\xff"])
def test_a_mark_that_cannot_be_read_still_stops_the_sink(mark):
    """Somebody wanted it to stand still; a person can resume it."""
    assert decode(mark) == UNREADABLE
    assert UNREADABLE.state is SinkState.PAUSED


def test_each_sink_has_its_mark():
    assert (mark_of("orders"), mark_of("callback")) == ("sink/orders", "sink/callback")
