"""Endpoints in trouble beside a healthy one: the healthy one does not notice.

Two relays watch the same jobs at the same time, one with the neighbours in trouble and one without, so that whatever
else the machine does meets both.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import datetime
from statistics import median, quantiles

import pytest
from integration import peers
from integration.processes import serving, until, write_config

JOBS, NEIGHBOURS = 150, 12
TIMEOUT_SECONDS = 3.0
WORK_SECONDS = 8.0  # in which the jobs end, evenly: longer than a neighbour hangs, and is tried again


class Listener:
    """`late`: seconds from the time of each event until it came."""

    def __init__(self):
        self.late = []

    async def answer(self, message):
        event_at = datetime.fromisoformat(message.event["time"]).timestamp()
        self.late.append(time.time() - event_at)
        return 204


class Hanging:
    """Answers nobody before all is over."""

    def __init__(self):
        self.over = asyncio.Event()
        self.requests = 0

    async def answer(self, _):
        self.requests += 1
        await self.over.wait()
        return 204


class Stumbling(Hanging):
    """Says no at once, each time in another way."""

    async def answer(self, _):
        self.requests += 1
        return (500, 503, 400, 302, 404)[self.requests % 5]


async def latencies(folder, neighbour, neighbours):
    """Of the listener beside these, and of the one that is alone."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        zendesk = await enter(peers.zendesk("acme", "fast"))
        alone, beside = Listener(), Listener()
        sinks = []
        for listener in (alone, beside):
            receiver = await enter(peers.receiver())
            receiver.answer = listener.answer
            sinks.append([receiver.section("healthy", timeout_seconds=TIMEOUT_SECONDS)])
        for number in range(neighbours):
            receiver = await enter(peers.receiver())
            receiver.answer = neighbour.answer
            sinks[1].append(receiver.section(f"neighbour-{number}", timeout_seconds=TIMEOUT_SECONDS))
        relays = []
        for name, section in zip(("alone", "beside"), sinks, strict=True):
            (folder / name).mkdir()
            account = zendesk.section(requests_per_minute=600, fresh_within_seconds=0.1)
            relays.append(await enter(serving(write_config(folder / name, accounts=[account], sinks=section))))
        session = await enter(peers.client())
        for number in range(JOBS):
            seconds = WORK_SECONDS * number / JOBS
            (status,) = await zendesk.start_jobs(session, 1, fate="succeeded", queue_seconds=0, work_seconds=seconds)
            for relay in relays:
                await peers.submit(session, lambda url=relay.url: url, {"job_status": status})
        await until(lambda: min(len(alone.late), len(beside.late)) == JOBS, 60, "something was not delivered")
        neighbour.over.set()
        return alone.late, beside.late


@pytest.mark.parametrize("neighbour", [Hanging(), Stumbling()], ids=["hanging", "stumbling"])
async def test_a_healthy_endpoint_does_not_notice_its_neighbours(tmp_path, neighbour):
    alone, beside = await latencies(tmp_path, neighbour, NEIGHBOURS)
    assert neighbour.requests >= 8 * NEIGHBOURS
    assert median(beside) < 2 * median(alone) + 0.05
    assert quantiles(beside, n=20)[-1] < 2 * quantiles(alone, n=20)[-1] + 0.2
    assert max(beside) < TIMEOUT_SECONDS / 2 + max(alone)
