"""Events as Kafka records: what is in them, where they go, in which order, and that none is lost."""

import asyncio
import json
from collections import defaultdict

from integration import peers
from integration.kafka_house import ACCOUNT, FATES, bus, output, relay_on

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def by_job(records):
    """The sequences of each job's events, in the order of the topic; repeats are left out, as receivers do."""
    sequences = defaultdict(list)
    for record in records:
        headers = dict(record.headers)
        sequence = int(headers["ce_sequence"])
        if sequence not in sequences[headers["ce_subject"].decode()]:
            sequences[headers["ce_subject"].decode()].append(sequence)
    return sequences


def ended(records):
    """The jobs whose end is told."""
    return {json.loads(record.value)["job_id"] for record in records if json.loads(record.value)["outcome"]}


def assert_in_order(records):
    for job_id, sequences in by_job(records).items():
        assert sequences == sorted(sequences), job_id


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


async def test_while_the_broker_is_away_relay_starts_is_ready_and_keeps_what_it_owes(tmp_path, broker, kafka, topics):
    topic = await topics.create("events", partitions=2)
    broker.kill()
    async with relay_on(tmp_path, kafka, sinks=[bus(topic, events=["*"])]) as (house, relay):
        ids = await house.submit(relay, await house.start_jobs(30, fate="succeeded", work_seconds=1))
        await relay.logged("kafka.unavailable")
        async with house.session.get(f"{relay.url}/readyz") as answer:
            assert answer.status == 200
        await asyncio.to_thread(broker.start)
        records = await topics.read_until(topic, lambda found: ended(found) >= ids)
        await relay.logged("kafka.available")
        assert [one["event"] for one in relay.log if one["event"].startswith("kafka.")] == [
            "kafka.unavailable",
            "kafka.available",
        ]
        assert list(relay.complaints("kafka.unavailable")) == []
    assert ended(records) == ids
    assert_in_order(records)


async def test_a_broker_that_is_killed_and_comes_back_costs_no_event_and_no_order(tmp_path, broker, kafka, topics):
    """One line says that it went, one that it is back; what was in flight may come twice, with the same id."""
    topic = await topics.create("events", partitions=2)
    async with relay_on(tmp_path, kafka, sinks=[bus(topic, events=["*"])]) as (house, relay):
        ids = await house.submit(relay, await house.start_jobs(100, fate="succeeded", work_seconds=4))
        await topics.read(topic, 20)
        broker.kill()
        ids |= await house.submit(relay, await house.start_jobs(100, fate="failed", work_seconds=1))
        await relay.logged("kafka.unavailable", seconds=60)
        await asyncio.to_thread(broker.start)
        records = await topics.read_until(topic, lambda found: ended(found) >= ids, seconds=60)
        await relay.logged("kafka.available")
        pending = (await peers.metrics(house.session, relay.url))["relay_deliveries_dead"]
        assert [value for _, value in pending] == [0.0]
    assert ended(records) == ids
    assert_in_order(records)
    assert [one["event"] for one in relay.log if one["event"].startswith("kafka.")] == [
        "kafka.unavailable",
        "kafka.available",
    ]
