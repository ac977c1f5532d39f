import orjson
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Attempt, Delivery, DeliveryState
from relay.core.job import TrackRequest
from relay.core.observe import give_up, track
from relay.core.standing import SinkStanding, SinkState
from relay.errors import Reason
from relay.intake import sink_views
from relay.intake.opaque import read_deliveries_cursor
from relay.intake.sink_views import DeliveryList, Recovered, Retried, SinkDetails, SinkList, TrialResult

TIMES = st.floats(0, 4e9)
TEXTS = st.none() | st.text(max_size=5)
STANDINGS = st.builds(
    SinkStanding,
    name=st.text(max_size=5),
    kind=st.sampled_from(["log", "webhook", "callback"]),
    state=st.sampled_from(SinkState),
    since=st.none() | TIMES,
    error=TEXTS,
    pending=st.integers(0, 9),
    dead=st.integers(0, 9),
    oldest_pending_since=st.none() | TIMES,
)
LOST = give_up(track(TrackRequest(account="acme", id="V3-1"), 1_700_000_000.0), 1_700_000_300.0)
DELIVERIES = st.builds(
    Delivery,
    account=st.just("acme"),
    job_id=st.just("V3-1"),
    tracked_at=st.just(LOST.tracked_at),
    sink=st.sampled_from(["orders", "callback:https://receiver.test:443#00"]),
    sequence=st.integers(1, 3),
    since=TIMES,
    due_at=TIMES,
    state=st.sampled_from(DeliveryState),
    attempts=st.integers(0, 9),
    settled_at=st.none() | TIMES,
    error=TEXTS,
)


@given(st.lists(STANDINGS))
def test_how_sinks_stand_is_shown_as_described_and_in_their_order(standings):
    shown = SinkList.model_validate_json(sink_views.sinks(standings))
    assert [one.name for one in shown.sinks] == [one.name for one in standings]
    for standing in standings:
        SinkDetails.model_validate_json(sink_views.sink(standing))


@given(st.lists(DELIVERIES.map(lambda delivery: (delivery, LOST)), min_size=1), st.booleans())
def test_deliveries_are_shown_as_described(rows, last):
    end = None if last else rows[-1][0].key
    shown = DeliveryList.model_validate_json(sink_views.deliveries(rows, end))
    for one, (delivery, _) in zip(shown.deliveries, rows, strict=True):
        assert (one.next_attempt_at is None) == (delivery.state is not DeliveryState.PENDING)
        assert (one.event is None) == (delivery.sequence > 1)
    assert end == (None if shown.cursor is None else read_deliveries_cursor(shown.cursor))


@given(st.none() | st.sampled_from(Reason), TEXTS)
def test_how_a_test_went_is_shown_as_described(reason, detail):
    shown = TrialResult.model_validate_json(sink_views.trial_result(Attempt(reason=reason, detail=detail)))
    assert shown.delivered == (reason is None)
    assert reason is None or (shown.detail or "").startswith(reason)


def test_what_has_been_done_is_shown_as_described():
    assert Recovered.model_validate_json(sink_views.recovered(3)).recovered == 3
    key = Delivery(account="acme", job_id="V3-1", tracked_at=1.0, sink="orders", sequence=1, since=1.0, due_at=1.0).key
    assert Retried.model_validate_json(sink_views.retried(key, "/v1/jobs/acme/V3-1")).href == "/v1/jobs/acme/V3-1"
    assert orjson.loads(sink_views.retried(key, "/"))["id"].startswith("dlv_")
