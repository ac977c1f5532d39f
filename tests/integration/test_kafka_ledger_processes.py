"""Owners as processes that are killed in mid-transaction, or frozen and woken after somebody else has taken over."""

import asyncio
import signal
import sys
from pathlib import Path
from random import Random

import pytest
from integration.committing import JOBS
from kafka.partitions import Partitions

from relay.core.record import Batch

TESTS = Path(__file__).parents[1]
KILLS = 5


class Owner:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.committed = -1

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            text = (await self.process.stdout.readline()).decode().strip()
        self.committed = int(text) if text.isdigit() else self.committed
        return text

    async def last_words(self) -> str:
        """Reads on to the end."""
        last = ""
        while line := await self.line():
            last = line
        await self.process.wait()
        return last


@pytest.fixture(scope="module")
def partitions(kafka):
    return Partitions.create(kafka, 4)


@pytest.fixture
async def start(partitions, kafka, tmp_path):
    """Starts an owner of the test's partition, which has the name given; all are killed with the test."""
    number = partitions.take()
    owners = []

    async def begin(life, image="image"):
        folder = tmp_path / image
        folder.mkdir(exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "integration.committing", kafka, partitions.cluster, partitions.topic.topic.name),
            *(str(number), str(folder), life),
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
        )
        owners.append(Owner(process))
        assert await owners[-1].line() == "open"
        return owners[-1]

    begin.number = number
    yield begin
    for owner in owners:
        if owner.process.returncode is None:
            owner.process.kill()
            await owner.process.wait()


@pytest.fixture
def rebuilt(open_ledger, partitions, start, tmp_path):
    """Opens the partition with an image that knows nothing."""

    async def build(image="rebuilt"):
        (tmp_path / image).mkdir()
        return await open_ledger(partitions.ledger(tmp_path / image, start.number))

    return build


async def test_kill_9_loses_nothing_that_was_acknowledged_and_leaves_no_batch_in_part(start, rebuilt):
    """Whether the next owner has the image or must rebuild it."""
    chance = Random(5)
    owners = {}
    for number in range(KILLS):
        owner = owners[f"life{number}"] = await start(f"life{number}")
        for _ in range(chance.randrange(1, 8)):
            await owner.line()
        await asyncio.sleep(chance.uniform(0, 0.05))
        owner.process.kill()
        await owner.last_words()
    ledger = await rebuilt()
    marks = await ledger.marks()
    count = 0
    for life, owner in owners.items():
        last = int(marks[life])
        assert owner.committed <= last <= owner.committed + 1  # the one underway may have been written
        count += (last + 1) * JOBS
    live = await ledger.live(None, 100_000)
    assert len(live) == count
    assert all(len(deliveries) == 1 for _, deliveries in live)


async def test_an_owner_that_was_frozen_writes_no_more_when_it_wakes(start, rebuilt):
    owner = await start("frozen")
    await owner.line()
    owner.process.send_signal(signal.SIGSTOP)
    ledger = await rebuilt()
    marks = await ledger.marks()
    await ledger.commit(Batch(marks={"taken": b"1"}))
    owner.process.send_signal(signal.SIGCONT)
    assert await owner.last_words() == "lost"
    assert owner.committed in {int(marks["frozen"]), int(marks["frozen"]) - 1}
    await ledger.commit(Batch(marks={"still ours": b"1"}))
    other = await rebuilt("other")
    assert await other.marks() == marks | {"taken": b"1", "still ours": b"1"}
