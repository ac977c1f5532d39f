import asyncio
import gc

from relay.kafka.closing import within


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
