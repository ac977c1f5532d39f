import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import render, structured
from relay.core.job import TrackRequest
from relay.core.observe import Rules, expire, give_up, observe, track
from relay.core.sighting import sight
from relay.intake.event_views import CloudEvent, EventList, page
from relay.intake.opaque import read_place

NOW = 1_700_000_000.0
NEW = track(TrackRequest(account="acme", id="V3-1", metadata=b'{"order":7}', traceparent="00-1-2-01"), NOW)
SEEN = observe(NEW, sight({"id": "V3-1", "status": "working", "progress": 1, "total": 2}), NOW, Rules())
ENDED = observe(SEEN, sight({"id": "V3-1", "status": "completed", "results": [{"id": 1}]}), NOW, Rules())
JOBS = [SEEN, ENDED, give_up(NEW, NOW), expire(SEEN, NOW)]
EVENTS = [structured(render(job, event, "https://acme.test")) for job in JOBS for event in job.events]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_what_is_described_and_every_member_is_described(event):
    jsonschema.validate(orjson.loads(event), CloudEvent.model_json_schema())
    CloudEvent.model_validate_json(event)


@given(st.lists(st.sampled_from(EVENTS)), st.lists(st.integers(0, 10**15), min_size=1).map(tuple), st.booleans())
def test_a_page_is_what_is_described_and_tells_where_to_go_on(events, reached, more):
    shown = page(events, reached, more=more)
    EventList.model_validate_json(shown)
    assert orjson.loads(shown)["events"] == [orjson.loads(event) for event in events]
    assert read_place(orjson.loads(shown)["cursor"]) == reached
    assert orjson.loads(shown)["more"] is more
