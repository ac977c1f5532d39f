"""Rows of the topic become the rows of the image that their jobs and deliveries would."""

from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import DELETED, Event, EventType, Job
from relay.core.job_row import encode
from relay.ledger import rows
from relay.ledger.kafka.rows import delivery_columns, job_row

texts = st.sampled_from(["a", "é", '"', ""])
times = st.sampled_from([0.0, 1.0, 1_700_000_000.1234567])
events = st.builds(
    Event,
    type=st.sampled_from(EventType),
    sequence=st.integers(1, 9),
    detected_at=times,
    previous_status=st.none(),
    metadata=st.just(b"{}"),
    position=st.integers(0, 3),
)
jobs = st.builds(
    Job,
    account=texts,
    id=texts,
    tracked_at=times,
    state=st.sampled_from(["working", "completed", "lost", DELETED, "stalled"]),
    detected_at=st.none() | times,
    job_status=st.none() | st.just(b'{"id": 1}'),
    events=st.lists(events, max_size=3).map(tuple),
)
deliveries = st.builds(
    Delivery,
    account=texts,
    job_id=texts,
    tracked_at=times,
    sink=st.sampled_from(["orders", "callback:https://shop.example:443#1"]),
    sequence=st.integers(1, 9),
    since=times,
    due_at=times,
    state=st.sampled_from(DeliveryState),
    settled_at=st.none() | times,
)


@given(job=jobs)
def test_of_a_job(job):
    row = job_row(encode(job))
    assert (row.columns, row.value) == (rows.job_row(job, encode(job)), encode(job))
    recorded = [(job, event) for event in job.events if event.position]
    assert [tuple(event) for event in row.events] == [columns[:-1] for columns in rows.event_rows(recorded, 0.0)]


@given(delivery=deliveries)
def test_of_a_delivery(delivery):
    value = rows.encode_delivery(delivery)
    assert delivery_columns(value) == rows.delivery_row(delivery, value)
