"""Jobs from a topic: every record is recorded once or put aside with its reason, whatever is killed meanwhile."""

import asyncio
import json
from functools import partial
from random import Random

from integration.kafka_house import ACCOUNT, house, item, output, reads, relay_on
from integration.processes import Relay, serving, until
from kafka.topics import Message

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def intake_topics(topics, *, partitions=2):
    """(of requests, of dead letters)"""
    return await topics.create("intake", partitions=partitions), await topics.create("dead")


async def known(found, relay, count, *, seconds=20):
    """The jobs, once relay knows so many."""

    async def enough():
        return await found.live(relay) >= count

    await until(enough, seconds, f"not {count} jobs are known", every_seconds=0.1)
    return {(job["account"], job["id"]): job for job in await found.jobs(relay)}


async def some_created(found, relay):
    return (await found.counted(relay, "relay_intake_jobs_total")).get("created")


async def test_a_record_holds_one_item_as_the_api_takes_it(tmp_path, kafka, topics):
    """By id or as Zendesk's reply; the account is named, or it is the url's host's, or the record's key names it."""
    topic, dead = await intake_topics(topics)
    async with house(tmp_path, kafka, intake=reads(topic, dead)) as found:
        status = (await found.start_jobs(1, fate="stuck"))[0]
        await topics.produce(
            topic,
            Message(item(id="named", account=ACCOUNT, metadata={"order": 7}), headers=[("traceparent", b"x")]),
            Message(item(job_status=status), key=b"whatever"),
            Message(item(id="keyed"), key=ACCOUNT.encode(), headers=[("traceparent", TRACEPARENT.encode())]),
            Message(item(id="alone")),
        )
        async with serving(found.config) as relay:
            jobs = await known(found, relay, 4)
            assert await found.counted(relay, "relay_intake_jobs_total") == {"created": 4}
            assert list(relay.complaints()) == []
    assert set(jobs) == {(ACCOUNT, name) for name in ("named", status["id"], "keyed", "alone")}
    assert jobs[ACCOUNT, "named"]["metadata"] == {"order": 7}


async def test_what_cannot_be_read_is_put_aside_with_the_reason_and_the_rest_goes_on(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics, partitions=1)
    bad = [
        (b"{not json", b"invalid_json"),
        (None, b"invalid_json"),
        (b"[1]", b"invalid_field"),
        (item(id="spaces are not allowed"), b"invalid_field"),
        (item(id="x", acount="typo"), b"invalid_field"),
        (item(id="x", account="No Name"), b"invalid_field"),
        (item(id="x", callback_url="https://example.com/"), b"callback_not_allowed"),
        (item(jobs=[{"id": "several"}]), b"invalid_field"),
        (item(id="x", metadata={"long": "x" * 20_000}), b"invalid_field"),
    ]
    headers = [("colour", b"blue"), ("nothing", None)]
    messages = [Message(value, key=b"some key", headers=headers) for value, _ in bad]
    await topics.produce(topic, item(id="before"), *messages, item(id="after"))
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        jobs = await known(found, relay, 2)
        records = await topics.read(dead, len(bad))
        assert await found.counted(relay, "relay_intake_jobs_total") == {"created": 2, "refused": len(bad)}
    assert {job_id for _, job_id in jobs} == {"before", "after"}
    by_offset = {dict(record.headers)["relay.source.offset"]: record for record in records}
    for offset, (value, code) in enumerate(bad, start=1):
        record = by_offset[str(offset).encode()]
        told = dict(record.headers)
        assert (record.key, record.value) == (b"some key", value)
        assert (told["colour"], told["nothing"]) == (b"blue", None)
        assert (told["relay.source.topic"], told["relay.source.partition"]) == (topic.encode(), b"0")
        assert told["relay.error.code"] == code
        assert len(told["relay.error.detail"]) > 10


async def test_a_dead_letter_as_large_as_a_record_may_be_is_told_without_its_value(tmp_path, kafka, topics):
    topic = await topics.create("intake", configs={"max.message.bytes": "3000000"})
    dead = await topics.create("dead")
    await topics.produce(topic, b"x" * 2_500_000, item(id="after"))
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        await known(found, relay, 1)
        [record] = await topics.read(dead, 1)
    told = dict(record.headers)
    assert (record.value, told["relay.error.code"], told["relay.source.offset"]) == (b"", b"body_too_large", b"0")


async def test_jobs_of_an_account_that_is_not_configured_wait_and_are_warned_about(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics)
    await topics.produce(topic, *(item(id=f"job-{number}", account="stranger") for number in range(3)))
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        assert set(await known(found, relay, 3)) == {("stranger", f"job-{number}") for number in range(3)}
        async with found.session.get(f"{relay.url}/v1/accounts") as answer:
            accounts = {one["name"]: one for one in (await answer.json())["accounts"]}
        assert accounts["stranger"]["paused"]
        assert accounts["stranger"]["reason"] == "account_not_configured"
        warned = [one for one in relay.log if one["event"] == "intake.account_not_configured"]
        assert [one["account"] for one in warned] == ["stranger"]
        assert await found.counted(relay, "relay_intake_jobs_total") == {"created": 3}


async def test_lag_tools_see_how_far_it_is_and_nobody_joins_a_group(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics)
    group = f"group-of-{topic}"
    await topics.produce(topic, *(Message(item(id=f"job-{n}"), partition=n % 2) for n in range(7)))
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead, group=group)) as (found, relay):
        await known(found, relay, 7)

        async def shown():
            return await topics.committed(group) == {(topic, 0): 4, (topic, 1): 3}

        await until(shown, 20, "the offsets are not shown", every_seconds=0.2)
        assert list(relay.complaints()) == []


async def test_a_new_process_goes_on_where_the_ledger_says_whatever_the_group_says(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics)
    async with house(tmp_path, kafka, intake=reads(topic, dead)) as found:
        await topics.produce(topic, *(item(id=f"early-{number}") for number in range(5)))
        async with serving(found.config) as relay:
            await known(found, relay, 5)
            relay.signal(15)
            assert await relay.ended() == 0
        await topics.produce(topic, *(item(id=f"late-{number}") for number in range(5)))
        async with serving(found.config) as relay:
            await known(found, relay, 10)
            assert await found.counted(relay, "relay_intake_jobs_total") == {"created": 5}, "nothing is read again"


async def test_killed_in_mid_intake_it_loses_nothing_and_takes_nothing_twice(tmp_path, kafka, topics):
    """Many records, and a `kill -9` every now and then."""
    topic, dead = await intake_topics(topics, partitions=3)
    chance, total = Random(1), 20_000
    async with house(tmp_path, kafka, intake=reads(topic, dead)) as found:
        await topics.produce(topic, *(Message(item(id=f"job-{n}"), partition=n % 3) for n in range(total)))
        await topics.produce(topic, *(Message(b"junk", partition=n) for n in range(3)))
        for _ in range(4):
            relay = await Relay.start(found.config)
            try:
                await relay.ready()
                await until(partial(some_created, found, relay), 30, "no job is taken", every_seconds=0.01)
                await asyncio.sleep(chance.uniform(0, 0.1))  # all of it takes a second or two
            finally:
                await relay.kill()
        async with serving(found.config) as relay:
            jobs = await known(found, relay, total, seconds=60)
            counted = await found.counted(relay, "relay_intake_jobs_total")
            created = counted.get("created", 0)
            records = await topics.read(dead, 3)
    assert len(jobs) == total
    assert "exists" not in counted, "an offset was recorded without its jobs, or jobs without their offset"
    assert 0 < created < total, "some were taken before a kill, and some after"
    assert {dict(record.headers)["relay.source.partition"] for record in records} == {b"0", b"1", b"2"}


async def test_partitions_that_are_added_are_read(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics, partitions=1)
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        await topics.produce(topic, item(id="first"))
        await known(found, relay, 1)
        await topics.grow(topic, 3)
        await topics.produce(topic, *(Message(item(id=f"new-{n}"), partition=n) for n in range(3)))
        await known(found, relay, 4, seconds=40)


async def test_a_topic_that_is_made_anew_is_read_from_its_start_and_alarms(tmp_path, kafka, topics):
    """Even where it holds more than had been read of the old one, so that the old offset would look right."""
    topic, dead = await intake_topics(topics, partitions=1)
    async with house(tmp_path, kafka, intake=reads(topic, dead)) as found:
        await topics.produce(topic, *(item(id=f"old-{number}") for number in range(3)))
        async with serving(found.config) as relay:
            await known(found, relay, 3)
        await topics.delete(topic)
        await topics.create_named(topic)
        await topics.produce(topic, *(item(id=f"new-{number}") for number in range(6)))
        async with serving(found.config) as relay:
            await known(found, relay, 9)
            assert [one["event"] for one in relay.complaints()] == ["intake.topic_replaced"]


async def test_a_topic_that_goes_and_comes_back_is_read_again_while_relay_runs(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics, partitions=1)
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        await topics.produce(topic, *(item(id=f"old-{number}") for number in range(3)))
        await known(found, relay, 3)
        await topics.delete(topic)
        await relay.logged("kafka.unavailable", seconds=30)
        await topics.create_named(topic)
        await topics.produce(topic, item(id="new"))
        await known(found, relay, 4)
        expected = ("kafka.unavailable", "intake.topic_replaced", "intake.offset_lost")
        assert list(relay.complaints(*expected)) == []
        assert relay.process.returncode is None


async def test_records_that_were_not_kept_long_enough_alarm_and_the_rest_is_read(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics, partitions=1)
    async with house(tmp_path, kafka, intake=reads(topic, dead)) as found:
        await topics.produce(topic, item(id="read"))
        async with serving(found.config) as relay:
            await known(found, relay, 1)
        await topics.produce(topic, *(item(id=f"job-{number}") for number in range(1, 6)))
        await topics.forget(topic, before=4)
        async with serving(found.config) as relay:
            jobs = await known(found, relay, 3)
            [alarm] = relay.complaints()
    assert {job_id for _, job_id in jobs} == {"read", "job-4", "job-5"}
    assert (alarm["event"], alarm["offsets"], alarm["goes_on_at"]) == ("intake.offset_lost", {"0": 1}, {"0": 4})


async def test_a_dead_letter_topic_that_is_missing_holds_up_the_intake_until_it_is_there(tmp_path, kafka, topics):
    """Nothing that cannot be read is passed over before it is put aside."""
    topic = await topics.create("intake")
    dead = f"{topic}-dead"
    await topics.produce(topic, item(id="before"), b"junk", item(id="after"))
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        await relay.logged("intake.held_up", seconds=40)
        assert await found.jobs(relay) == []
        await topics.create_named(dead)
        await known(found, relay, 2, seconds=30)
        assert len(await topics.read(dead, 1)) == 1
        await relay.logged("intake.goes_on")


async def test_what_was_taken_back_by_its_producer_is_not_read(tmp_path, kafka, topics):
    """Records of a transaction that was aborted; those of one that was committed are."""
    topic, dead = await intake_topics(topics, partitions=1)
    await topics.transact(topic, item(id="aborted"), commit=False)
    await topics.transact(topic, item(id="committed"), commit=True)
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        assert set(await known(found, relay, 1)) == {(ACCOUNT, "committed")}


async def test_records_of_every_compression_are_read(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics)
    kinds = ("gzip", "snappy", "lz4", "zstd")
    for kind in kinds:
        await topics.produce(topic, *(item(id=f"{kind}-{number}") for number in range(20)), compression=kind)
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        assert len(await known(found, relay, 20 * len(kinds))) == 20 * len(kinds)


async def test_a_client_that_nobody_here_wrote_hands_in_jobs(tmp_path, kafka, topics, require):
    kcat = require("kcat")
    topic, dead = await intake_topics(topics)
    lines = b'acme:{"id": "by-kcat"}\nother:{"id": "strange"}\nacme:oops\n'
    await output(kcat, "-b", kafka, "-t", topic, "-P", "-K:", given=lines)
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        assert set(await known(found, relay, 2)) == {("acme", "by-kcat"), ("other", "strange")}
        await topics.read(dead, 1)
    printed = await output(kcat, "-b", kafka, "-t", dead, "-C", "-e", "-q", "-f", r"%k|%s|%h\n")
    key, value, headers = printed.rstrip("\n").split("|")
    assert (key, value) == ("acme", "oops")
    assert "relay.error.code=invalid_json" in headers


async def test_a_record_that_not_even_the_library_can_read_stops_nobody(tmp_path, kafka, topics, require):
    """The name of a header is text, and brokers do not look."""
    kcat = require("kcat")
    topic, dead = await intake_topics(topics, partitions=1)
    await topics.produce(topic, item(id="before"))
    await output(kcat, "-b", kafka, "-t", topic, "-P", "-H", b"\xff\xfe=x", given=item(id="garbled"))
    await topics.produce(topic, item(id="after"))
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead)) as (found, relay):
        assert {job_id for _, job_id in await known(found, relay, 2)} == {"before", "after"}
        [record] = await topics.read(dead, 1)
    told = dict(record.headers)
    assert (record.value, told["relay.source.offset"], told["relay.error.code"]) == (b"", b"1", b"invalid_json")


async def test_the_ends_of_jobs_that_came_by_kafka_go_by_kafka(tmp_path, kafka, topics):
    topic, dead = await intake_topics(topics)
    events = await topics.create("events")
    sinks = [{"name": "bus", "kind": "kafka", "topic": events}]
    async with relay_on(tmp_path, kafka, intake=reads(topic, dead), sinks=sinks) as (found, _):
        statuses = await found.start_jobs(50, fate="succeeded", work_seconds=0.5)
        await topics.produce(topic, *(item(job_status=status) for status in statuses))
        records = await topics.read(events, 50)
    assert {json.loads(record.value)["job_id"] for record in records} == {status["id"] for status in statuses}
