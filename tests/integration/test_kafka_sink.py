"""Events as Kafka records: what is in them, where they go, and in which order."""

import json
from collections import defaultdict

from integration.kafka_house import ACCOUNT, FATES, assert_in_order, bus, ended, output, relay_on

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_in_binary_mode_the_attributes_are_headers_and_the_value_is_the_data(tmp_path, kafka, topics):
    topic = await topics.create("events", partitions=3)
    async with relay_on(tmp_path, kafka, sinks=[bus(topic)]) as (house, relay):
        [status] = await house.start_jobs(1, fate="succeeded", work_seconds=0.2)
        headers = {"traceparent": TRACEPARENT}
        async with house.session.post(f"{relay.url}/v1/jobs", json={"job_status": status}, headers=headers) as answer:
            assert answer.status == 202
        [record] = await topics.read(topic, 1)
        assert list(relay.complaints()) == []
    headers = {name: value.decode() for name, value in record.headers}
    assert record.key == f"{ACCOUNT}/{status['id']}".encode()
    assert headers.pop("ce_id").startswith("evt_")
    assert headers.pop("ce_time").endswith("Z")
    assert headers.pop("ce_dataschema").startswith("urn:")
    assert int(headers.pop("ce_sequence")) >= 1
    assert headers == {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_type": "zendesk.job.completed",
        "ce_source": f"{house.account.url}/api/v2/job_statuses",
        "ce_subject": status["id"],
        "ce_partitionkey": f"{ACCOUNT}/{status['id']}",
        "ce_traceparent": TRACEPARENT,
    }
    data = json.loads(record.value)
    assert (data["account"], data["job_id"], data["outcome"]) == (ACCOUNT, status["id"], "succeeded")


async def test_in_structured_mode_the_value_is_the_whole_event(tmp_path, kafka, topics):
    topic = await topics.create("events")
    async with relay_on(tmp_path, kafka, sinks=[bus(topic, mode="structured")]) as (house, relay):
        [job_id] = await house.submit(relay, await house.start_jobs(1, fate="failed", work_seconds=0.2))
        [record] = await topics.read(topic, 1)
    assert list(record.headers) == [("content-type", b"application/cloudevents+json")]
    event = json.loads(record.value)
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "zendesk.job.failed", job_id)
    assert (event["partitionkey"].encode(), event["data"]["outcome"]) == (record.key, "failed")


async def test_every_job_ends_once_and_its_events_are_in_order_in_one_partition(tmp_path, kafka, topics):
    topic = await topics.create("events", partitions=4)
    async with relay_on(tmp_path, kafka, sinks=[bus(topic, events=["*"])]) as (house, relay):
        ids = set()
        for fate in FATES:
            ids |= await house.submit(relay, await house.start_jobs(40, fate=fate, work_seconds=1))
        records = await topics.read_until(topic, lambda found: ended(found) >= ids)
    assert ended(records) == ids
    assert_in_order(records)
    assert len({dict(record.headers)["ce_id"] for record in records}) == len(records), "nothing comes twice"
    partitions = defaultdict(set)
    for record in records:
        partitions[record.key].add(record.partition)
    assert all(len(found) == 1 for found in partitions.values())
    assert len({record.partition for record in records}) == 4


async def test_other_clients_choose_the_same_partition_for_a_key(tmp_path, kafka, topics, require):
    """By murmur2, as Java's clients do; librdkafka, which kcat is made of, when it is told to."""
    kcat = require("kcat")
    topic = await topics.create("events", partitions=7)
    theirs = await topics.create("theirs", partitions=7)
    async with relay_on(tmp_path, kafka, sinks=[bus(topic)]) as (house, relay):
        await house.submit(relay, await house.start_jobs(60, fate="succeeded", work_seconds=0.2))
        records = await topics.read(topic, 60)
    lines = b"".join(record.key + b"\tx\n" for record in records)
    await output(kcat, "-b", kafka, "-t", theirs, "-P", "-K", "\t", "-X", "topic.partitioner=murmur2", given=lines)
    chosen = {record.key: record.partition for record in await topics.read(theirs, 60)}
    assert {record.key: record.partition for record in records} == chosen


async def test_a_client_that_nobody_here_wrote_reads_the_events(tmp_path, kafka, topics, require):
    kcat = require("kcat")
    topic = await topics.create("events")
    async with relay_on(tmp_path, kafka, sinks=[bus(topic)]) as (house, relay):
        [job_id] = await house.submit(relay, await house.start_jobs(1, fate="killed", work_seconds=0.2))
        await topics.read(topic, 1)
    printed = await output(kcat, "-b", kafka, "-t", topic, "-C", "-e", "-q", "-f", r"%k|%h|%s\n")
    key, headers, value = printed.rstrip("\n").split("|")
    assert key == f"{ACCOUNT}/{job_id}"
    assert f"ce_subject={job_id}" in headers.split(",")
    assert json.loads(value)["outcome"] == "failed"
