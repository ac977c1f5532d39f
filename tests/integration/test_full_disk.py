"""A disk that fills up under a running relay: intake says so, reading goes on, nothing is lost, and it recovers."""

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from integration import peers
from integration.peers import Receiver, Zendesk
from integration.processes import Relay, serving, until, write_config
from integration.promises import assert_in_order, assert_told_right

OUTAGE_SECONDS = 4.0
DRAIN_SECONDS = 5.0
POLLS_END_SECONDS = 1.0  # what was asked before the disk was full may still be answered


class SmallFileSystem:
    """A file system of its own with little room: ENOSPC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, _: Relay) -> None:
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                return

    def free(self, _: Relay) -> None:
        self._ballast.unlink()


class NoMoreWriting:
    """The system lets the process write to no file any more: EFBIG. Works wherever Linux does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, relay: Relay) -> None:
        self._limit(relay, 0)

    def free(self, relay: Relay) -> None:
        self._limit(relay, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(relay: Relay, size: int) -> None:
        if relay.process.returncode is None:
            resource.prlimit(relay.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture
def small_file_system(tmp_path) -> Iterator[SmallFileSystem]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"may not mount: {mounted.stderr.decode().strip()}; no_more_writing stands in for it")
    yield SmallFileSystem(folder)
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def no_more_writing(tmp_path) -> NoMoreWriting:
    return NoMoreWriting(tmp_path)


@pytest.fixture(params=["small_file_system", "no_more_writing"])
def disk(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def session():
    async with peers.client() as session:
        yield session


@pytest.fixture
async def account():
    async with peers.zendesk("acme", "fast") as account:
        yield account


@pytest.fixture
async def receiver():
    async with peers.receiver() as receiver:
        yield receiver


def config_on(disk, account: Zendesk, receiver: Receiver) -> Path:
    return write_config(
        disk.folder,
        accounts=[account.section(requests_per_minute=600, fresh_within_seconds=0.2)],
        sinks=[receiver.section("everything", events=["*"])],
    )


async def submit_jobs(session: aiohttp.ClientSession, relay: Relay, account: Zendesk, count: int, **wish) -> set[str]:
    statuses = await account.start_jobs(session, count, **wish)
    body = {"jobs": [{"job_status": status} for status in statuses]}
    return {job["id"] for job in await peers.submit(session, lambda: relay.url, body)}


async def get(session: aiohttp.ClientSession, relay: Relay, path: str) -> int:
    async with session.get(relay.url + path) as answer:
        await answer.read()
        return answer.status


async def refused(session: aiohttp.ClientSession, relay: Relay, job_id: str) -> None:
    async with session.post(f"{relay.url}/v1/jobs", json={"id": job_id}) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["code"]) == (503, "ledger_unavailable")
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_full_disk_is_told_sat_out_and_forgotten(disk, account, receiver, session):
    config = config_on(disk, account, receiver)
    async with serving(config) as relay:
        old = await submit_jobs(session, relay, account, 5, queue_seconds=0, work_seconds=0)
        await until(lambda: old <= receiver.ended(), 20, "old jobs have not ended")
        running = await submit_jobs(session, relay, account, 30, work_seconds=2)  # ends while the disk is full
        running |= await submit_jobs(session, relay, account, 30, work_seconds=8)

        disk.fill(relay)
        await sit_out(session, relay, account, old)
        disk.free(relay)

        await relay.logged("ledger.recovered", seconds=20)
        new = await submit_jobs(session, relay, account, 5)
        await until(lambda: old | running | new <= receiver.ended(), 30, "jobs have not ended")
        assert await get(session, relay, "/v1/jobs/acme/V3-refused-0") == 404, "what was refused is not recorded"
        relay.process.terminate()
        assert await relay.ended() == 0

    assert_told_right(receiver, await account.truth(), old | running | new)
    assert_in_order(receiver)
    troubles = list(relay.complaints())
    assert [trouble["event"] for trouble in troubles] == ["ledger.unavailable"], "said once"
    assert troubles[0]["level"] == "error"
    assert "relay.db" in troubles[0]["error"]

    async with serving(config) as relay:
        assert {job["id"] for job in await peers.pages(session, relay.url)} == old | running | new


async def test_a_full_disk_does_not_hold_up_the_drain(disk, account, receiver, session):
    """Deliveries that the receiver has taken and that nobody can record are sent again by the next process."""

    async def answer(_):
        await asyncio.sleep(0.5)
        return 204

    receiver.answer = answer
    config = config_on(disk, account, receiver)
    async with serving(config) as relay:
        ids = await submit_jobs(session, relay, account, 20, queue_seconds=0, work_seconds=0)
        await until(lambda: receiver.got, 10, "nothing was sent")
        disk.fill(relay)
        await relay.logged("ledger.unavailable")
        await asyncio.sleep(2)  # the longer it lasts, the rarer the ledger is tried
        began = asyncio.get_running_loop().time()
        relay.process.terminate()
        assert await relay.ended() == 0
        assert asyncio.get_running_loop().time() - began < DRAIN_SECONDS
        assert [trouble["event"] for trouble in relay.complaints()] == ["ledger.unavailable"]
        disk.free(relay)
    async with serving(config):
        await until(lambda: ids <= receiver.ended(), 20, "jobs have not ended")


async def sit_out(session: aiohttp.ClientSession, relay: Relay, account: Zendesk, old: set[str]) -> None:
    """Meanwhile: nothing is accepted, everything is readable, the process is fine, and Zendesk is left alone."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    polls = 0
    while loop.time() < began + OUTAGE_SECONDS:
        await refused(session, relay, "V3-refused-0")
        for job_id in old:
            assert await get(session, relay, f"/v1/jobs/acme/{job_id}") == 200
        for path in ("/livez", "/readyz", "/metrics", "/v1/jobs"):
            assert await get(session, relay, path) == 200
        if loop.time() < began + POLLS_END_SECONDS:
            polls = len(account.requests)
        await asyncio.sleep(0.1)
    assert len(account.requests) == polls
