"""Who opens and closes a ledger may be cancelled meanwhile."""

import asyncio
from threading import Event

import pytest

from relay.ledger.sqlite import SqliteLedger


async def test_who_gives_up_while_it_is_closed_leaves_it_to_be_opened_again(tmp_path):
    """The lock of the file, and the thread, would otherwise be held for as long as the process lives."""
    ledger, may_end = SqliteLedger(tmp_path / "relay.db"), Event()
    await ledger.open()
    busy = asyncio.create_task(ledger.run(lambda _: may_end.wait(60)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(ledger.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    opening = asyncio.create_task(ledger.open())
    await asyncio.sleep(0)
    may_end.set()
    await opening
    assert await busy
    assert await ledger.marks() == {}
    await ledger.close()
    await ledger.close()
