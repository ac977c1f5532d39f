"""Receivers that submitters name, and dead letters by command line, with a real `relay serve` and real sockets."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager

import orjson
import pytest
import standardwebhooks
from integration import peers
from integration.peers import SECRET
from integration.processes import serving, until, write_config

OTHER_SECRETS = ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
BY_ADDRESS = {"host": "127.0.0.1", "allow_http": True, "allow_private": True, "secrets": [SECRET]}
BY_NAME = {"host": "localhost", "allow_http": True, "allow_private": True, "secrets": OTHER_SECRETS}
PUBLIC = {"host": "*.acme.com", "secrets": [SECRET]}
CALLBACKS = {"allow": [BY_ADDRESS, BY_NAME, PUBLIC]}
QUICK = {"fate": "partially_failed", "work_seconds": 0.5}


@pytest.fixture
async def session():
    async with peers.client() as session:
        yield session


@pytest.fixture
async def zendesk():
    async with peers.zendesk("acme", "fast") as account:
        yield account


@pytest.fixture
async def receivers():
    """Three of them; the second is known by its name, and signed for with the other secrets."""
    async with peers.receiver() as first, peers.receiver() as second, peers.receiver() as third:
        second.url = second.url.replace("127.0.0.1", "localhost")
        second.verifier = standardwebhooks.Webhook(OTHER_SECRETS[0])
        yield first, second, third


@asynccontextmanager
async def relay_of(folder, zendesk, *sinks, callbacks=CALLBACKS):
    account = zendesk.section(requests_per_minute=600, fresh_within_seconds=0.2)
    async with serving(write_config(folder, accounts=[account], sinks=sinks, callbacks=callbacks)) as relay:
        yield relay


async def post(session, relay, *items):
    """The status and what came with it."""
    async with session.post(f"{relay.url}/v1/jobs", json={"jobs": items}) as answer:
        return answer.status, await answer.json(content_type=None)


async def track(session, relay, *items):
    status, answer = await post(session, relay, *items)
    assert status == 202, answer
    return [job["result"] for job in answer["jobs"]]


async def view(session, relay, job_id, **query):
    async with session.get(f"{relay.url}/v1/jobs/acme/{job_id}", params=query) as answer:
        return answer.status, await answer.json(content_type=None)


async def start(session, zendesk, **wish):
    [job] = await zendesk.start_jobs(session, 1, **(QUICK | wish))
    return job["id"]


def heard(receiver):
    """What a receiver has taken: type and metadata of each event."""
    return [(message.event["type"], message.event["data"]["metadata"]) for message in receiver.taken]


async def test_each_submitter_hears_the_end_with_its_own_metadata_also_one_who_comes_late(
    tmp_path, session, zendesk, receivers
):
    """Signed with the secrets of its own host, under one id, and nobody hears it twice."""
    first, second, sink = receivers
    async with relay_of(tmp_path, zendesk, sink.section("everything", events=["*"])) as relay:
        job_id = await start(session, zendesk)
        early = {"id": job_id, "callback_url": f"{first.url}?order=%C3%A41", "metadata": {"order": 1}}
        assert await track(session, relay, early) == ["created"]
        await until(lambda: first.taken, 30, "the first has heard nothing")

        late = {"id": job_id, "callback_url": second.url, "metadata": {"order": 2, "more": True}}
        assert await track(session, relay, late, early, late) == ["exists"] * 3
        await until(lambda: second.taken, 10, "the late one has heard nothing")
        await until(sink.ended, 15, "the sink has not heard the end")
        _, job = await view(session, relay, job_id)

    assert heard(first) == [("zendesk.job.completed", {"order": 1})]
    assert heard(second) == [("zendesk.job.completed", {"order": 2, "more": True})]
    end = sink.taken[-1]
    assert first.taken[0].id == second.taken[0].id == end.id
    assert end.event["data"]["metadata"] == {"order": 1}
    assert job["metadata"] == {"order": 1, "more": True}
    assert [receiver.forged for receiver in receivers] == [[], [], []]
    origins = {f"callback:{receiver.url.removesuffix('/hook')}" for receiver in (first, second)}
    assert {one["sink"].partition("#")[0] for one in job["deliveries"]} == {*origins, "everything"}


async def test_a_callback_that_is_not_allowed_is_told_and_nothing_is_accepted(tmp_path, session, zendesk, receivers):
    async with relay_of(tmp_path, zendesk) as relay:
        for url, why in (
            ("https://evil.com/x?token=hush", "callbacks to the host evil.com are not allowed"),
            ("http://hooks.acme.com/", "must be https"),
            ("https://user@hooks.acme.com/", "must be an absolute http or https url"),
            ("https://hooks.acme.com.evil.com/", "not allowed; allowed are: 127.0.0.1, localhost, *.acme.com"),
            ("https://10.0.0.1/", "not allowed"),
            ("https://2130706433/", "not allowed"),
        ):
            status, problem = await post(session, relay, {"id": "good"}, {"id": "bad", "callback_url": url})
            assert (status, problem["code"]) == (422, "callback_not_allowed")
            assert [(fault["index"], fault["pointer"]) for fault in problem["errors"]] == [(1, "/jobs/1/callback_url")]
            assert why in problem["detail"]
            assert "hush" not in problem["detail"]
            assert SECRET not in str(problem)
        assert (await view(session, relay, "good"))[0] == 404


async def test_the_seventeenth_callback_of_a_job_is_refused_with_all_that_came_with_it(
    tmp_path, session, zendesk, receivers
):
    first, *_ = receivers
    async with relay_of(tmp_path, zendesk) as relay:
        job_id = await start(session, zendesk, work_seconds=2.0)
        items = [{"id": job_id, "callback_url": f"{first.url}?n={n}", "metadata": {"n": n}} for n in range(17)]
        assert len(await track(session, relay, *items[:16])) == 16

        status, problem = await post(session, relay, {"id": "good"}, items[16], items[15])
        assert (status, problem["code"]) == (422, "callback_not_allowed")
        assert [fault["pointer"] for fault in problem["errors"]] == ["/jobs/1/callback_url"]
        assert "at most 16" in problem["detail"]
        assert (await view(session, relay, "good"))[0] == 404

        assert await track(session, relay, items[3]) == ["exists"]
        await until(lambda: len(first.taken) >= 16, 30, "not all have heard the end")
    assert sorted(metadata["n"] for _, metadata in heard(first)) == list(range(16))
    assert len({message.id for message in first.taken}) == 1


async def test_a_callback_that_is_down_is_tried_again_and_delays_nobody(tmp_path, session, zendesk, receivers):
    down, fine, sink = receivers
    mended = asyncio.Event()

    async def out_of_order(_):
        if mended.is_set():
            return 204
        await asyncio.sleep(1.0)
        return 500

    down.answer = out_of_order
    async with relay_of(tmp_path, zendesk, sink.section("everything")) as relay:
        ids = [await start(session, zendesk) for _ in range(5)]
        await track(session, relay, *({"id": one, "callback_url": down.url} for one in ids))
        await track(session, relay, *({"id": one, "callback_url": fine.url} for one in ids))
        await until(lambda: fine.ended() == sink.ended() == set(ids), 30, "the others wait")
        assert not down.taken
        mended.set()
        await until(lambda: down.ended() == set(ids), 30, "it is not tried again")


async def test_callbacks_are_allowed_and_forbidden_while_relay_runs(tmp_path, session, zendesk, receivers):
    first, *_ = receivers
    account = zendesk.section(requests_per_minute=600, fresh_within_seconds=0.2)
    async with relay_of(tmp_path, zendesk, callbacks=None) as relay:
        item = {"id": await start(session, zendesk), "callback_url": first.url}
        status, problem = await post(session, relay, item)
        assert (status, problem["detail"].partition(";")[0]) == (
            422,
            "callback_url: this relay does not allow callbacks",
        )

        write_config(tmp_path, accounts=[account], callbacks=CALLBACKS)
        relay.signal(signal.SIGHUP)
        await relay.logged("config.reloaded", seconds=30)
        assert await track(session, relay, item) == ["created"]
        await until(lambda: first.taken, 30, "it has heard nothing")


async def command(relay, *arguments, given=b""):
    """`relay deliveries …`: exit code and standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "relay",
        "deliveries",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "RELAY_URL": relay.url},
    )
    out, err = await process.communicate(given)
    return process.returncode, out.decode(), err.decode()


async def test_a_dead_letter_is_listed_sent_again_and_delivered(tmp_path, session, zendesk, receivers):
    """By its id, from another program's output, and all of a time."""
    hook, *_ = receivers

    async def out_of_order(_):
        return 500

    hook.answer = out_of_order
    async with relay_of(tmp_path, zendesk, hook.section("orders", retry_schedule_seconds=[0])) as relay:
        ids = [await start(session, zendesk) for _ in range(3)]
        await track(session, relay, *({"id": one} for one in ids))
        await until(lambda: len(hook.got) == 3, 30, "they were not attempted")

        code, out, _ = await listed_dead(relay, 3)
        assert code == 0
        [line] = [line for line in out.splitlines() if ids[0] in line]
        delivery, state, sink, job, kind, attempts, _, *error = line.split()
        assert (state, sink, job, kind, attempts) == ("dead", "orders", f"acme/{ids[0]}", "completed", "attempts=1")
        assert error[:2] == ["server_error:", "500"]

        hook.answer = peers.take
        assert await command(relay, "retry", delivery) == (0, f"retrying {delivery}\n", "")
        await until(lambda: hook.ended() == {ids[0]}, 15, "it is not delivered")

        _, out, _ = await command(relay, "list", "--sink", "orders", "--limit", "1", "--json")
        one = orjson.loads(out)
        code, out, _ = await command(relay, "retry", "-", given=f"{one['id']}\ndlv_unknown\n".encode())
        assert (code, out) == (1, f"retrying {one['id']}\nunknown dlv_unknown\n")
        await until(lambda: len(hook.ended()) == 2, 15, "it is not delivered")

        recovered = await command(relay, "recover", "--sink", "orders", "--since", "1h")
        assert recovered == (0, "1 deliveries to orders are owed again\n", "")
        await until(lambda: hook.ended() == set(ids), 15, "it is not delivered")
        await listed_dead(relay, 0)
        assert (await command(relay, "recover", "--sink", "nobody", "--since", "1h"))[0] == 2
    counts = [len({message.id for message in messages}) for messages in hook.by_job().values()]
    assert counts == [1, 1, 1], "one id, however often it is sent"


async def listed_dead(relay, count):
    """What is listed once so many deliveries are dead."""
    for _ in range(50):
        listed = await command(relay, "list")
        if len(listed[1].splitlines()) == count:
            return listed
        await asyncio.sleep(0.1)
    return pytest.fail(f"{count} dead deliveries were to be listed: {listed}")
