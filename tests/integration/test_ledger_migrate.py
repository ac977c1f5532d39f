"""From a file to a topic at a real broker: nothing is lost, whatever interrupts it, and nobody else is overwritten."""

import asyncio
import sys
import uuid
from itertools import count

import orjson
import pytest
from integration import peers
from integration.processes import serving, until, write_config
from kafka.partitions import Partitions
from kafka.topics import Message
from msgspec.structs import replace

from relay.__main__ import main
from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import TrackRequest
from relay.core.observe import Rules, delete, give_up, observe, record, track
from relay.core.record import Batch, DeliveryFilter, EventFilter, Retention
from relay.core.sighting import sight
from relay.errors import LedgerUnusable, Reason
from relay.kafka.connection import Connection
from relay.kafka.topics import describe_topic
from relay.ledger.contents import Contents
from relay.ledger.copying import at_rest
from relay.ledger.kafka import migration, moving
from relay.ledger.kafka.migration import END, UNFINISHED, MarkRules, Plan
from relay.ledger.kafka.moving import move
from relay.ledger.kafka.partitioning import partition_of
from relay.ledger.kafka.producer import OutcomeUnknown, PartitionProducer
from relay.ledger.kafka.topics import ensure
from relay.ledger.sqlite import SqliteLedger

PARTITIONS = 3
ACCOUNTS = [f"acme-{number}" for number in range(6)]
FATES = ("pending", "working", "completed", "failed", "lost", "deleted")
NOW = 1_770_105_600.0
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MARKS = {
    **{f"token:{account}": account.encode() for account in ACCOUNTS[:3]},
    "wait:acme-5": b"1770105600.0",
    "sink/orders": b"paused",
    "probe": b"x",
}
RULES = MarkRules(to_account=("token:", "wait:"), everywhere=("sink/",), left_out=("probe",))


def lived(account, number, fate, positions):
    """A job, and its events as they were recorded."""
    job = track(TrackRequest(account=account, id=f"V3-{number}", metadata=b'{"n":%d}' % number), NOW + number)
    recorded = []
    for status in {"working": ["working"], "completed": ["working", fate], "failed": [fate]}.get(fate, ()):
        job = record(observe(job, sight({"id": job.id, "status": status}), NOW + number + 5, Rules()), next(positions))
        recorded.append(job.events[-1])
    if fate == "lost":
        job = record(give_up(job, NOW + number + 300), next(positions))
        recorded.append(job.events[-1])
    return delete(job) if fate == "deleted" else job, recorded


def owed(job, event, number):
    return Delivery(
        account=job.account, job_id=job.id, tracked_at=job.tracked_at, sink=("orders", "mail")[number % 2],
        sequence=event.sequence, since=event.detected_at, due_at=event.detected_at + number,
        state=list(DeliveryState)[number % 3], settled_at=NOW if number % 3 else None,
    )  # fmt: skip


@pytest.fixture
async def source(tmp_path):
    """A ledger of a relay that has worked for a while, and is stopped."""
    ledger, positions = SqliteLedger(tmp_path / "relay.db"), count(1)
    await ledger.open()
    for account in ACCOUNTS:
        made = [lived(account, number, FATES[number % len(FATES)], positions) for number in range(60)]
        await ledger.commit(Batch(
            jobs=[job for job, _ in made],
            events=[(job, event) for job, events in made for event in events],
            deliveries=[owed(job, events[-1], number) for number, (job, events) in enumerate(made) if events],
        ))  # fmt: skip
    await ledger.commit(Batch(marks=MARKS))
    assert await ledger.forget(Retention(finished_before=NOW + 20, dead_before=NOW + 20), 3), "a position is forgotten"
    await ledger.close()
    return ledger.path


async def everything(ledger):
    """All that a ledger answers."""
    live, after = [], None
    while page := await ledger.live(after, 50):
        live += page
        after = page[-1][0]
    deliveries = {state: await ledger.deliveries(DeliveryFilter(state=state), None, 1_000) for state in DeliveryState}
    events = await ledger.events(EventFilter(), 0, 10_000)
    return {
        "live": {job: tuple(sorted(owed, key=repr)) for job, owed in live},
        "jobs": set(await ledger.page(accounts=None, state=None, after=None, limit=1_000)),
        "deliveries": {(state, *row) for state, rows in deliveries.items() for row in rows},
        "events": {(job, event) for job, event in events.events},
        "marks": dict(await ledger.marks()),
        "positions": await ledger.positions(),
    }


async def in_file(path):
    ledger = SqliteLedger(path)
    await ledger.open()
    try:
        return await everything(ledger)
    finally:
        await ledger.close()


async def in_topic(partitions, folder):
    """As the owner of each partition finds it."""

    async def found(number):
        images = folder / f"images-{uuid.uuid4()}"
        images.mkdir()
        ledger = partitions.ledger(images, number)
        await ledger.open()
        try:
            return await everything(ledger)
        finally:
            await ledger.close()

    return await asyncio.gather(*map(found, range(PARTITIONS)))


async def assert_moved(path, partitions, folder):
    wanted, found = await in_file(path), await in_topic(partitions, folder)
    assert wanted["live"]
    for what in ("live", "jobs", "deliveries", "events"):
        assert sum(len(part[what]) for part in found) == len(wanted[what])
        for part in found:
            for one in part[what]:
                assert one in wanted[what]
    for number, part in enumerate(found):
        assert {job.account for job in part["jobs"]} == {a for a in ACCOUNTS if partition_of(a, PARTITIONS) == number}
        assert part["positions"] == wanted["positions"]
        assert part["marks"]["sink/orders"] == b"paused"
        assert not {UNFINISHED, "probe"} & part["marks"].keys()
    for name, value in MARKS.items():
        if name.startswith(("token:", "wait:")):
            [number] = [number for number, part in enumerate(found) if name in part["marks"]]
            assert number == partition_of(name.partition(":")[2], PARTITIONS)
            assert found[number]["marks"][name] == value


@pytest.fixture
def connection(kafka):
    return Connection(bootstrap_servers=tuple(kafka.split(",")))


@pytest.fixture
async def partitions(connection):
    topic = await ensure(connection, f"ledger-{uuid.uuid4().hex[:12]}", partitions=PARTITIONS, create_replicas=1)
    return Partitions(connection, topic)


@pytest.fixture
def migrate(source):
    """All into these partitions."""

    async def run(partitions):
        with at_rest(source) as file:
            plan = Plan(Contents(file), RULES, PARTITIONS)
            await move([partitions.at(number) for number in range(PARTITIONS)], plan, lambda *_: None)

    return run


class Interrupted(PartitionProducer):
    """Cut off for good at a commit, which may have succeeded or not. `fails`: called with its records."""

    succeeds = True
    fails = None

    async def commit(self, records, messages=()):
        failing = Interrupted.fails(records)
        end = await super().commit(records, messages) if Interrupted.succeeds or not failing else 0
        if failing:
            raise OutcomeUnknown(Reason.RESET, "cut off")
        return end


@pytest.fixture
def interrupted(monkeypatch, migrate, partitions):
    async def run(fails, *, succeeds):
        with monkeypatch.context() as patch:
            patch.setattr("relay.ledger.kafka.moving.PartitionProducer", Interrupted)
            Interrupted.fails, Interrupted.succeeds = fails, succeeds
            with pytest.raises(OutcomeUnknown):
                await migrate(partitions)

    return run


def nth(number, fits):
    """Whether this is that one of those that fit, or one that comes later."""
    left = count(number - 1, -1)
    return lambda records: fits(records) and next(left) <= 0


async def test_whatever_interrupts_it_doing_it_again_completes_it(
    source, partitions, migrate, interrupted, tmp_path, monkeypatch
):
    """Also where the relay so far was started again in between, and has changed rows that were moved."""
    monkeypatch.setattr(migration, "RECORDS_MAX", 80)
    monkeypatch.setattr(moving, "AT_ONCE_MAX", 1)
    await interrupted(lambda _: True, succeeds=True)
    await interrupted(nth(4, lambda _: True), succeeds=False)
    ledger = SqliteLedger(source)
    await ledger.open()
    [(live, _), *_] = await ledger.live(None, 1)
    await ledger.commit(Batch(jobs=[replace(live, metadata=b'{"changed":true}')]))
    assert await ledger.forget(Retention(finished_before=NOW + 400, dead_before=NOW + 400), 9)
    await ledger.close()
    monkeypatch.setattr(moving, "AT_ONCE_MAX", 4)
    await interrupted(nth(2, lambda records: records == [END]), succeeds=True)
    await migrate(partitions)
    await assert_moved(source, partitions, tmp_path)
    await migrate(partitions)  # and again: all is as it should be


def configured(folder, kafka, topic, **sections):
    ledger = {"kind": "kafka", "cluster": topic, "topic": topic, "partitions": PARTITIONS, "path": str(folder)}
    account = {"name": "acme", "base_url": "https://acme.zendesk.com", "auth": {"kind": "bearer", "token": "x"}}
    return write_config(
        folder, ledger=ledger, kafka={"bootstrap_servers": kafka}, accounts=[account], **sections
    )  # fmt: skip


async def kill_in_the_middle(command):
    """The partition that it has filled by then, and not finished."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", *command, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    process.kill()
    await process.communicate()
    return int(line.removeprefix(b"partition ").partition(b":")[0])


async def refuse(_):
    return 500


async def test_a_relay_at_work_is_moved_and_goes_on(kafka, connection, topics, tmp_path, capsys):
    """It dies with jobs that live and events that are owed, and so does the migration, once. All that was to be done is
    done by its successor, and who reads events goes on where the file's positions ended.
    """
    names = {name: await topics.create(name, partitions=PARTITIONS) for name in ("intake", "dead")}
    intake = {"kafka": {"topic": names["intake"], "dead_letter_topic": names["dead"], "group": names["intake"]}}
    topic = f"ledger-{uuid.uuid4().hex[:12]}"
    async with peers.zendesk("acme", "fast") as account, peers.receiver() as receiver, peers.client() as session:
        receiver.answer = refuse
        old = {
            "accounts": [account.section(requests_per_minute=3_000, fresh_within_seconds=0.05)],
            "sinks": [receiver.section("orders", retry_schedule_seconds=[0, *[1] * 90])],
        }
        async with serving(write_config(tmp_path, **old)) as relay:
            ended = await submit(
                session, relay, await account.start_jobs(session, 20, fate="succeeded", work_seconds=0.2)
            )
            await until(lambda: len(receiver.by_job()) == 20, 40, "all have ended, and are owed")
            living = await submit(session, relay, await account.start_jobs(session, 20, work_seconds=3))
            async with session.get(f"{relay.url}/v1/events") as answer:
                cursor = (await answer.json())["cursor"]
            await relay.kill()
        config = write_config(tmp_path, **old, kafka={"bootstrap_servers": kafka}, intake=intake, ledger={
            "kind": "kafka", "cluster": topic, "topic": topic, "partitions": PARTITIONS, "path": str(tmp_path),
        })  # fmt: skip
        command = ["ledger", "migrate", "--from", str(tmp_path / "relay.db"), "--config", str(config)]
        before = await in_file(tmp_path / "relay.db")
        number = await kill_in_the_middle(command)
        with pytest.raises(LedgerUnusable, match="do `relay ledger migrate` again"):
            await Partitions(connection, await made(connection, topic), topic).ledger(tmp_path, number).open()
        assert await asyncio.to_thread(main, command) == 0
        assert f"{PARTITIONS} partitions of {topic}, compared row by row" in capsys.readouterr().out
        assert await in_file(tmp_path / "relay.db") == before
        receiver.answer = peers.take
        async with serving(config) as replica:
            assert {job["id"] for job in await peers.pages(session, replica.url)} == ended | living
            await until(lambda: receiver.ended() >= ended | living, 60, "all that was owed or lives is delivered")
            async with session.get(f"{replica.url}/v1/events", params={"cursor": cursor}) as answer:
                told = (await answer.json())["events"]
            session.headers["traceparent"] = TRACE
            new = await submit(session, replica, await account.start_jobs(session, 1, work_seconds=0.1))
            await until(lambda: receiver.ended() >= new, 20, "new jobs are watched, too")
    terminal = {message.id for message in receiver.got if message.terminal}
    assert len(terminal) == 41, "one end of each job, however often it was sent"
    assert {event["subject"] for event in told if event["data"]["outcome"]} == living
    assert {message.event["traceparent"] for message in receiver.got if message.job_id in new} == {TRACE}


async def made(connection, topic):
    return await ensure(connection, topic, partitions=PARTITIONS, create_replicas=None)


async def submit(session, relay, statuses):
    body = {"jobs": [{"job_status": status} for status in statuses]}
    return {job["id"] for job in await peers.submit(session, lambda: relay.url, body)}


async def test_rows_of_others_are_left_alone(source, partitions, migrate, topics, connection):
    """And nothing is written to any partition."""
    name = partitions.topic.topic.name
    await topics.produce(name, Message(b"1", b'["mark","sink/other"]', partition=PARTITIONS - 1))
    with pytest.raises(Exception, match="holds rows already"):
        await migrate(partitions)
    assert [record.partition for record in await topics.read(name, 2, seconds=1.0)] == [PARTITIONS - 1]


class TestIntake:
    """How far a topic of jobs was read goes along, or there is nothing of it left to read."""

    @pytest.fixture
    def run(self, tmp_path, kafka, capsys):
        """The command, on a ledger that has read a topic up to somewhere. Exit code, and what it says."""

        async def run(intake, marks, *, new_intake=None):
            ledger = SqliteLedger(tmp_path / "relay.db")
            await ledger.open()
            await ledger.commit(Batch(marks={f"intake/{intake}/{name}": value for name, value in marks.items()}))
            await ledger.close()
            config = configured(
                tmp_path, kafka, f"ledger-{uuid.uuid4().hex[:12]}", intake={"kafka": {"topic": new_intake or intake}}
            )
            arguments = ["ledger", "migrate", "--from", str(ledger.path), "--config", str(config)]
            code = await asyncio.to_thread(main, arguments)
            return code, "".join(capsys.readouterr()), orjson.loads(config.read_bytes())["ledger"]["topic"]

        return run

    async def test_the_same_topic_is_read_on_partition_by_partition(self, run, topics, connection):
        name = await topics.create("intake", partitions=PARTITIONS)
        topic = await describe_topic(connection, name, create=False)
        code, told, to = await run(name, {"0": b"17", "2": b"5", "id": topic.id.bytes})
        assert code == 0, told
        marks = {
            (record.partition, orjson.loads(record.key)[1]): record.value
            for record in await topics.read(to, 9, seconds=2.0)
            if b"intake" in record.key
        }
        everywhere = {(number, f"intake/{name}/id"): topic.id.bytes for number in range(PARTITIONS)}
        assert marks == {(0, f"intake/{name}/0"): b"17", (2, f"intake/{name}/2"): b"5", **everywhere}

    async def test_a_topic_with_other_partitions_is_refused(self, run, topics):
        name = await topics.create("intake", partitions=PARTITIONS + 1)
        code, told, _ = await run(name, {"0": b"17"})
        assert (code, "must have as many as the ledger" in told) == (2, True), told

    async def test_another_topic_must_have_been_read_to_its_end(self, run, topics):
        name = await topics.create("intake", partitions=2)
        await topics.transact(name, Message(b"one", partition=0), Message(b"two", partition=0), commit=True)
        code, told, _ = await run(name, {"0": b"1"}, new_intake=f"{name}-new")
        assert (code, "not read yet" in told) == (2, True), told
        code, told, _ = await run(name, {"0": b"2"}, new_intake=f"{name}-new")  # but for the end of the transaction
        assert code == 0, told
