"""What happens when brokers go away: relay lives on, nothing is lost, and all recovers by itself."""

import asyncio

import pytest
from integration import peers
from integration.kafka_house import assert_in_order, bus, ended, item, reads, relay_on
from kafka.topics import Topics


async def one_of_each(topics, **fields):
    return [await topics.create(purpose, **fields) for purpose in ("intake", "dead", "events")]


def lines(relay, client):
    """What the log says of Kafka coming and going."""
    return [one["event"] for one in relay.log if one.get("client") == client]


async def status_of(house, relay, probe):
    async with house.session.get(f"{relay.url}/{probe}") as answer:
        return answer.status


async def test_a_relay_that_starts_without_a_broker_is_ready_and_catches_up_when_it_comes(
    tmp_path, broker, kafka, topics
):
    intake, dead, events = await one_of_each(topics, partitions=2)
    await topics.produce(intake, item(id="waiting", account="stranger"))
    broker.kill()
    sections = {"intake": reads(intake, dead), "sinks": [bus(events, events=["*"])]}
    async with relay_on(tmp_path, kafka, **sections) as (house, relay):
        ids = await house.submit(relay, await house.start_jobs(30, fate="succeeded", work_seconds=1))
        await relay.logged("kafka.unavailable", count=2)
        assert [await status_of(house, relay, probe) for probe in ("livez", "readyz")] == [200, 200]
        await asyncio.to_thread(broker.start)
        records = await topics.read_until(events, lambda found: ended(found) >= ids)
        await relay.logged("kafka.available", count=2)
        assert lines(relay, "producer") == lines(relay, "intake") == ["kafka.unavailable", "kafka.available"]
        assert list(relay.complaints("kafka.unavailable", "intake.account_not_configured")) == []
        assert await house.counted(relay, "relay_intake_jobs_total") == {"created": 1}
    assert ended(records) == ids
    assert_in_order(records)


async def test_a_broker_that_is_killed_and_comes_back_costs_no_job_no_event_and_no_order(
    tmp_path, broker, kafka, topics
):
    """One line says that it went, one that it is back; what was in flight may come twice, with the same id."""
    intake, dead, events = await one_of_each(topics, partitions=2)
    sections = {"intake": reads(intake, dead), "sinks": [bus(events, events=["*"])]}
    async with relay_on(tmp_path, kafka, **sections) as (house, relay):
        by_kafka = await house.start_jobs(60, fate="succeeded", work_seconds=4)
        await topics.produce(intake, *(item(job_status=status) for status in by_kafka))
        await topics.read(events, 20)
        broker.kill()
        ids = await house.submit(relay, await house.start_jobs(60, fate="failed", work_seconds=1))
        await relay.logged("kafka.unavailable", count=2, seconds=60)
        assert await status_of(house, relay, "livez") == 200
        await asyncio.to_thread(broker.start)
        late = await house.start_jobs(20, fate="killed", work_seconds=0.5)
        await topics.produce(intake, *(item(job_status=status) for status in late))
        ids |= {status["id"] for status in (*by_kafka, *late)}
        records = await topics.read_until(events, lambda found: ended(found) >= ids, seconds=60)
        await relay.logged("kafka.available", count=2)
        dead_letters = (await peers.metrics(house.session, relay.url))["relay_deliveries_dead"]
        assert [value for _, value in dead_letters] == [0.0]
        assert lines(relay, "producer") == lines(relay, "intake") == ["kafka.unavailable", "kafka.available"]
        assert list(relay.complaints("kafka.unavailable")) == []
    assert ended(records) == ids
    assert_in_order(records)


@pytest.mark.timeout(300)  # three brokers have to start
async def test_where_a_leader_dies_another_takes_over_and_nobody_needs_to_know(tmp_path, three_brokers):
    """Three brokers, three replicas: what is acknowledged is on two of them."""
    topics = Topics(three_brokers.bootstrap)
    intake, dead, events = await one_of_each(topics, partitions=3, replicas=3)
    sections = {"intake": reads(intake, dead), "sinks": [bus(events, events=["*"])]}
    async with relay_on(tmp_path, three_brokers.bootstrap, **sections) as (house, relay):
        statuses = await house.start_jobs(60, fate="succeeded", work_seconds=3)
        await topics.produce(intake, *(item(job_status=status) for status in statuses))
        await topics.read(events, 20)
        three_brokers.brokers[0].kill()
        more = await house.start_jobs(60, fate="failed", work_seconds=1)
        await topics.produce(intake, *(item(job_status=status) for status in more))
        ids = {status["id"] for status in (*statuses, *more)}
        records = await topics.read_until(events, lambda found: ended(found) >= ids, seconds=60)
        assert list(relay.complaints("kafka.unavailable")) == []
    assert ended(records) == ids
    assert_in_order(records)
