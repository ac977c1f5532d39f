"""Backing up a relay that runs, that is stopped and that was killed, and going back to what it was."""

import asyncio
import shutil

import pytest
from aiohttp.test_utils import unused_port
from integration import peers
from integration.processes import serving, until, write_config

from relay.__main__ import main
from relay.ledger.copying import at_rest, verify

KEY = "a-key-that-is-long-enough"


@pytest.fixture
def back_up(capsys):
    """Exit code, and all that was printed."""

    async def run(*arguments):
        code = await asyncio.to_thread(main, ["ledger", "backup", *map(str, arguments)])
        return code, "".join(capsys.readouterr())

    return run


def jobs_in(path):
    with at_rest(path) as ledger:
        return {name for (name,) in ledger.execute("SELECT id FROM jobs").fetchall()}


@pytest.fixture
async def account():
    async with peers.zendesk("acme", "fast") as started:
        yield started


@pytest.fixture
async def session():
    async with peers.client() as opened:
        yield opened


def configured(folder, account, **sections):
    section = account.section(requests_per_minute=3_000, fresh_within_seconds=0.05)
    return write_config(folder, accounts=[section], **sections)


async def submit(session, relay, statuses):
    body = {"jobs": [{"job_status": status} for status in statuses]}
    return {job["id"] for job in await peers.submit(session, lambda: relay.url, body)}


async def test_going_back_to_a_backup_loses_nothing_that_was_in_it(tmp_path, account, session, back_up):
    """Jobs that live are watched on, and deliveries that were owed are made. What came later is taken again."""
    async with peers.receiver() as receiver:
        sink = receiver.section("orders", retry_schedule_seconds=[0, *[1] * 90])
        config = configured(tmp_path, account, sinks=[sink])
        receiver.answer = refuse
        async with serving(config) as relay:
            ended = await submit(
                session, relay, await account.start_jobs(session, 5, fate="succeeded", work_seconds=0.2)
            )
            await until(lambda: len(receiver.by_job()) == 5, 40, "all have ended")
            living = await submit(session, relay, await account.start_jobs(session, 5, work_seconds=2))
            code, printed = await back_up(tmp_path / "backup.db", "--url", relay.url)
            assert (code, "secrets" in printed) == (0, True), printed
            late = await account.start_jobs(session, 2, work_seconds=0.1)
            await submit(session, relay, late)
            await relay.kill()
        for left in tmp_path.glob("relay.db*"):
            left.unlink()
        shutil.copy(tmp_path / "backup.db", tmp_path / "relay.db")
        receiver.answer = peers.take
        async with serving(config) as relay:
            known = {job["id"] for job in await peers.pages(session, relay.url)}
            assert known == ended | living
            await until(lambda: receiver.ended() >= known, 20, "all that was owed is delivered")
            again = await submit(session, relay, late)
            await until(lambda: receiver.ended() >= again, 10, "what was submitted again ends, too")
            assert not list(relay.complaints("delivery.failed"))
    events = {message.id for message in receiver.got if message.job_id in ended}
    assert len(events) == len(ended), "a repeat has the same id"


async def refuse(_):
    return 500


async def test_all_that_was_acknowledged_before_is_in_it(tmp_path, account, session, back_up, monkeypatch):
    """And those who submit meanwhile are answered."""
    config = configured(tmp_path, account, server={
        "listen": f"127.0.0.1:{unused_port()}",
        "api_keys": [{"name": "root", "key": KEY, "scopes": ["submit", "read", "admin"]}],
    })  # fmt: skip
    session.headers["Authorization"] = f"Bearer {KEY}"
    async with serving(config) as relay:
        before, after = set(), set()
        statuses = await account.start_jobs(session, 400, work_seconds=60)
        before |= await submit(session, relay, statuses[:200])
        copying = asyncio.create_task(back_up(tmp_path / "backup.db", "--config", config))  # it finds relay and a key
        for start in range(200, 400, 5):
            after |= await submit(session, relay, statuses[start : start + 5])
        assert (await copying)[0] == 0
        monkeypatch.setenv("RELAY_API_KEY", f"{KEY}-not")
        assert (await back_up(tmp_path / "other.db", "--url", relay.url))[0] == 2
    verify(tmp_path / "backup.db")
    found = jobs_in(tmp_path / "backup.db")
    assert before <= found <= before | after
    assert not list(tmp_path.glob("*.copy")) + list(tmp_path.glob(".*.part"))


async def test_of_a_relay_that_is_stopped_or_was_killed(tmp_path, account, session, back_up):
    config = configured(tmp_path, account)
    async with serving(config) as relay:
        first = await submit(session, relay, await account.start_jobs(session, 3))
        await relay.kill()
    command = (tmp_path / "backup.db", "--config", config)
    code, printed = await back_up(*command)
    assert code == 0, printed
    assert jobs_in(tmp_path / "backup.db") == first
    code, printed = await back_up(*command)
    assert (code, "--force" in printed) == (2, True)
    (tmp_path / "backup.db.lock").unlink()
    assert (await back_up(*command, "--force"))[0] == 0
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600


async def test_where_there_is_no_ledger_none_is_made(tmp_path, account, back_up):
    code, printed = await back_up(tmp_path / "backup.db", "--config", configured(tmp_path, account))
    assert (code, "no such file" in printed) == (2, True), printed
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
