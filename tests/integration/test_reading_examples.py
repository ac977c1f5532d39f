"""docs/reading-events.md: its programs in Python, as they stand there, read what relay has recorded."""

import asyncio
import json
import os
import re
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from integration.api import bearer, key, running
from integration.processes import until

from relay.core.record import Retention
from relay.intake.keys import Scope

DOCS = Path(__file__).parents[2] / "docs"
NOW = 1_700_000_000.0
KEY = key("reader", Scope.READ)


def python(document):
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
async def intake():
    async with running(KEY) as started:
        yield started


@asynccontextmanager
async def program(intake, folder, name):
    """One of the programs, at work."""
    environment = {
        **os.environ,
        "RELAY_URL": f"http://127.0.0.1:{intake.port}",
        "RELAY_API_KEY": bearer("reader")["headers"]["Authorization"].removeprefix("Bearer "),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, name), cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def catch_up(intake, tmp_path):
    """Runs the program; the ids of the jobs in its inbox afterwards."""
    (tmp_path / "catch_up.py").write_text(python("reading-events.md")[0])
    (tmp_path / "inbox.py").write_text(python("receiving.md")[1])

    async def run():
        async with program(intake, tmp_path, "catch_up.py") as process:
            assert await asyncio.wait_for(process.wait(), 20) == 0
        with closing(sqlite3.connect(tmp_path / "inbox.db")) as inbox:
            events = [json.loads(text) for (text,) in inbox.execute("SELECT event FROM inbox ORDER BY rowid")]
        return [event["subject"] for event in events]

    return run


async def test_who_was_away_catches_up_and_goes_on_from_there(intake, catch_up):
    for job_id in ("a", "b"):
        await intake.story.see(job_id, "working")
        await intake.story.see(job_id)
    assert await catch_up() == ["a", "b"]
    await intake.story.see("c", "failed")
    assert await catch_up() == ["a", "b", "c"]
    assert await catch_up() == ["a", "b", "c"]


async def test_who_was_away_for_too_long_begins_anew_and_takes_nothing_twice(intake, catch_up):
    await intake.story.see("a", at=NOW - 10)
    assert await catch_up() == ["a"]
    await intake.story.see("b", at=NOW - 10)
    await intake.story.see("c")
    await intake.story.ledger.forget(Retention(finished_before=NOW - 1, dead_before=NOW - 1), 10)
    await intake.story.resume()
    assert await catch_up() == ["a", "c"]


async def test_who_listens_hears_of_everything_also_when_the_stream_ends_in_between(intake, tmp_path):
    (tmp_path / "listen.py").write_text(python("reading-events.md")[1])
    async with program(intake, tmp_path, "listen.py") as process:
        await until(lambda: intake.gate._streams, 5)
        await intake.story.see("a")
        assert json.loads(await asyncio.wait_for(process.stdout.readline(), 10))["subject"] == "a"
        for connection in list(intake.served.server.connections):
            connection.force_close()
        await until(lambda: not intake.gate._streams, 5)
        await intake.story.see("b")
        assert json.loads(await asyncio.wait_for(process.stdout.readline(), 10))["subject"] == "b"
