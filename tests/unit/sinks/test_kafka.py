"""What is published for an event, and what a failure means for its delivery."""

import orjson
import pytest

from relay.core.delivery import Attempt, Verdict, verdict
from relay.core.events import CloudEvent, structured
from relay.errors import Reason
from relay.kafka.publisher import NotPublished
from relay.sinks.kafka import KafkaSink

EVENT = CloudEvent(
    id="evt_1",
    source="https://acme.zendesk.com/api/v2/job_statuses",
    type="zendesk.job.completed",
    subject="V3-1",
    time="2026-02-03T04:05:06.789Z",
    partitionkey="acme/V3-1",
    sequence="0000000002",
    data=b'{"outcome":"succeeded"}',
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)


class Publisher:
    """Takes everything, unless there is a `failure`."""

    def __init__(self, failure=None):
        self.failure = failure
        self.records = []

    async def publish(self, record):
        if self.failure is not None:
            raise self.failure
        self.records.append(record)


async def sent(*, in_binary):
    publisher = Publisher()
    sink = KafkaSink(publisher, topic="events", in_binary=in_binary)
    assert await sink.send(EVENT) == Attempt()
    await sink.close()
    [record] = publisher.records
    assert (record.topic, record.key) == ("events", b"acme/V3-1")
    return record


async def test_in_binary_mode_the_value_is_the_data_and_the_attributes_are_headers():
    record = await sent(in_binary=True)
    assert record.value == EVENT.data
    assert dict(record.headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": b"evt_1",
        "ce_source": b"https://acme.zendesk.com/api/v2/job_statuses",
        "ce_type": b"zendesk.job.completed",
        "ce_subject": b"V3-1",
        "ce_time": b"2026-02-03T04:05:06.789Z",
        "ce_dataschema": EVENT.dataschema.encode(),
        "ce_partitionkey": b"acme/V3-1",
        "ce_sequence": b"0000000002",
        "ce_traceparent": EVENT.traceparent.encode(),
    }


async def test_in_structured_mode_the_value_is_what_a_webhook_gets():
    record = await sent(in_binary=False)
    assert list(record.headers) == [("content-type", b"application/cloudevents+json")]
    assert record.value == structured(EVENT)
    assert orjson.loads(record.value)["data"] == {"outcome": "succeeded"}


async def attempt(reason, detail="why"):
    sink = KafkaSink(Publisher(NotPublished(reason, detail)), topic="events", in_binary=True)
    return await sink.send(EVENT)


@pytest.mark.parametrize("reason", [Reason.CONNECT, Reason.TIMEOUT, Reason.DNS, Reason.RESET, Reason.UNAVAILABLE])
async def test_a_broker_that_is_away_costs_no_attempt(reason):
    failed = await attempt(reason)
    assert verdict(failed) is Verdict.PUT_BACK
    assert (failed.reason, failed.detail) == (Reason.UNAVAILABLE, f"{reason}: why")


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (Reason.REFUSED, "max.message.bytes"),
        (Reason.FORBIDDEN, "kafka-acls"),
        (Reason.NOT_FOUND, "create the topic"),
        (Reason.UNAUTHORIZED, "kafka.sasl_mechanism"),
        (Reason.TLS, "kafka.ssl_cafile"),
    ],
)
async def test_what_a_person_has_to_set_right_says_what_to_do(reason, advice):
    failed = await attempt(reason, "why\n" * 3)
    assert verdict(failed) is Verdict.FAILED
    assert failed.reason is reason
    assert failed.detail.startswith("why why why; ")
    assert advice in failed.detail
