import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import relay
from relay.app.event_line import event_line

EXAMPLES = Path(relay.__file__).parents[1] / "docs" / "events"
TEXT = st.text("a /=\n\x1b\x9b\u202e\N{SNOWMAN}", max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("started", "state=working progress=1/3"),
        ("completed", "state=completed outcome=partially_failed succeeded=2 failed=1"),
        ("lost", "outcome=unknown reason=never_found"),
    ],
)
def test_an_event_is_told_in_words_of_key_and_value(name, rest):
    event = json.loads((EXAMPLES / f"{name}.json").read_text())
    words = event_line(event).split(" ", 3)
    assert words[:3] == [event["time"], f"zendesk.job.{name}", f"{event['data']['account']}/{event['subject']}"]
    assert words[3] == rest


@given(st.dictionaries(st.sampled_from(["time", "type", "subject", "data", "x"]), JSON))
def test_whatever_comes_is_one_printable_line_of_at_least_three_words(event):
    line = event_line(event)
    assert line.isprintable()
    assert len(line.split(" ")) >= 3


@given(st.dictionaries(st.sampled_from(["account", "job_id", "job_status", "items", "outcome", "reason"]), JSON))
def test_whatever_the_data_hold_is_one_printable_line(data):
    assert event_line({"time": "t", "type": "t", "data": data}).isprintable()


def test_a_hostile_event_moves_no_cursor_and_forges_no_line():
    event = {"time": "\x1b[2J", "type": "a\nb", "data": {"account": "\x9b", "job_id": "x y"}}
    assert event_line(event) == "[2J a_b -/x_y"
