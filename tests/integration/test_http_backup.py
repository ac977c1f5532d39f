"""The ledger's copy over real sockets: whole, or not at all."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
from integration.api import bearer, key, running
from integration.processes import until

from relay.errors import LedgerError, Reason, Unavailable
from relay.intake import ledger_calls
from relay.intake.keys import Scope

PATH = "/v1/ledger/backup"
CONTENT = bytes(range(256)) * 4_000
KEYS = (key("admin", Scope.ADMIN), key("reader", Scope.READ), key("acme", *Scope, accounts=("ac*",)))


class Backups:
    """A copy that is made when `go_on` is set, of `content`."""

    def __init__(self, folder):
        self.path, self.content = folder / "copy", CONTENT
        self.go_on, self.fails_with, self.asked = asyncio.Event(), None, 0
        self.go_on.set()

    @asynccontextmanager
    async def copied(self):
        self.asked += 1
        if self.fails_with is not None:
            raise self.fails_with
        try:
            await self.go_on.wait()
            self.path.write_bytes(self.content)
            yield self.path
        finally:
            self.path.unlink(missing_ok=True)
            self.asked -= 1


@pytest.fixture
def backups(tmp_path):
    return Backups(tmp_path)


@pytest.fixture
async def intake(backups):
    async with running(*KEYS, backups=backups) as started:
        yield started


async def test_the_whole_copy_is_sent_and_goes_again(intake, backups):
    response, content = await intake.call("GET", PATH, **bearer("admin"))
    assert (response.status, response.content_type, content) == (200, "application/vnd.sqlite3", CONTENT)
    assert response.headers["Cache-Control"] == "no-store"
    await until(lambda: not backups.path.exists(), 5)
    assert intake.station.said == [("ledger.backed_up", {"caller": "admin", "bytes": len(CONTENT)})]


@pytest.mark.parametrize("name", ["reader", "acme"])
async def test_it_is_for_whoever_may_do_everything(intake, backups, name):
    response, problem = await intake.refusal("GET", PATH, **bearer(name))
    assert (response.status, problem["code"], backups.asked) == (403, "forbidden", 0)


async def test_to_ask_what_there_is_makes_no_copy(intake, backups):
    backups.fails_with = AssertionError("asked")
    response, _ = await intake.call("HEAD", PATH, **bearer("admin"))
    assert response.status == 200


@pytest.mark.parametrize(("error", "status", "code"), [
    (LedgerError("10 MB must be free"), 503, "ledger_unavailable"),
    (Unavailable(Reason.OVERLOADED, "10 MB must be free"), 429, "overloaded"),
])  # fmt: skip
async def test_why_there_is_none_is_told(intake, backups, error, status, code):
    backups.fails_with = error
    response, problem = await intake.refusal("GET", PATH, **bearer("admin"))
    assert (response.status, problem["code"], problem["detail"]) == (status, code, "10 MB must be free")
    assert "Retry-After" in response.headers


async def test_a_ledger_that_is_no_file_has_none():
    async with running(*KEYS) as intake:
        response, problem = await intake.refusal("GET", PATH, **bearer("admin"))
    assert (response.status, problem["code"]) == (404, "not_found")


async def test_who_shuts_down_does_not_wait_for_a_copy(intake, backups):
    backups.go_on.clear()
    asking = asyncio.create_task(intake.refusal("GET", PATH, **bearer("admin")))
    await until(lambda: backups.asked, 5)
    intake.gate.drain()
    response, problem = await asking
    assert (response.status, problem["code"], backups.asked) == (503, "draining", 0)


async def test_a_reader_who_went_away_leaves_nothing(intake, backups):
    backups.content = CONTENT * 20
    async with intake.session.get(PATH, **bearer("admin")) as response:
        await response.content.read(1)
    await until(lambda: not backups.asked, 5)
    assert not backups.path.exists()


async def test_a_reader_who_reads_nothing_is_cut_off_and_sees_that_it_is_not_all(intake, backups, monkeypatch):
    monkeypatch.setattr(ledger_calls, "STALLED_SECONDS_MAX", 0.1)
    backups.content = CONTENT * 20
    async with intake.session.get(PATH, **bearer("admin")) as response:
        await until(lambda: not backups.asked, 5)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
