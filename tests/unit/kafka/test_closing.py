import asyncio
import gc

import pytest

from relay.kafka import closing
from relay.kafka.closing import start_within, undisturbed, within


async def test_what_ends_in_time_has_ended():
    ended = []

    async def close():
        ended.append(True)

    await within(1, close())
    assert ended


async def test_what_never_ends_is_given_up():
    await within(0.01, asyncio.Event().wait())


async def test_how_it_fails_is_of_no_interest():
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fail():
        raise RuntimeError("half-way")

    async def cancel_itself():
        raise asyncio.CancelledError

    await within(1, fail())
    await within(1, cancel_itself())
    gc.collect()
    assert complaints == []


class Client:
    """Takes its time to start and to end."""

    def __init__(self):
        self.starting, self.may_start, self.may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.calls = []

    async def start(self):
        self.starting.set()
        await self.may_start.wait()
        self.calls.append("started")

    async def end(self):
        await self.may_end.wait()
        self.calls.append("ended")


async def test_who_is_cancelled_again_and_again_leaves_nothing_half_started_or_half_ended():
    client = Client()
    waiting = asyncio.create_task(start_within(60, client.start(), client.end))
    await client.starting.wait()
    for event in (client.may_start, client.may_end):
        for _ in range(3):
            waiting.cancel()
            await asyncio.sleep(0)
        assert not waiting.done()
        event.set()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert client.calls == ["started", "ended"]


async def test_what_does_not_start_in_time_is_ended(monkeypatch):
    monkeypatch.setattr(closing, "START_SECONDS_MORE", 0.01)
    client = Client()
    client.may_end.set()
    with pytest.raises(TimeoutError):
        await start_within(0.01, client.start(), client.end)
    assert client.calls == ["ended"]


async def test_what_has_started_is_left_alone():
    client = Client()
    client.may_start.set()
    await start_within(60, client.start(), client.end)
    assert client.calls == ["started"]


async def test_how_an_end_fails_is_told_where_nobody_was_cancelled():
    async def fail():
        raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        await undisturbed(fail())
