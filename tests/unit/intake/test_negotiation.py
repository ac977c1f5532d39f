import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.intake.negotiation import wants_stream


@pytest.mark.parametrize(
    "accept",
    [
        "text/event-stream",
        "Text/Event-Stream",
        "text/event-stream; charset=utf-8",
        "text/event-stream, */*",
        "*/*, text/event-stream",
        "text/event-stream, application/json",
        "application/json;q=0.5, text/event-stream;q=0.6",
        "text/event-stream;q=0.1, text/html",
    ],
)
def test_who_names_the_stream_gets_it(accept):
    assert wants_stream(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/*",
        "text/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json, text/event-stream",
        "application/json, text/event-stream;q=0.9",
        "text/event-stream;q=0",
        "text/event-stream ; Q = 0.000",
        "text/event-stream-ish",
    ],
)
def test_anyone_else_gets_a_page(accept):
    assert not wants_stream(accept)


@given(st.text())
def test_no_header_is_too_odd(accept):
    assert not wants_stream(accept) or "text/event-stream" in accept.lower()
