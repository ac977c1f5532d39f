"""Three replicas as processes on a real broker: whatever befalls them, every job ends once for whoever reads."""

import asyncio
import time
from random import Random

import pytest
from integration.processes import until
from integration.replicas import (
    SESSION_SECONDS,
    assert_budgets_held,
    assert_nobody_returned,
    assert_told_exactly_once,
    replicas,
)

EXPECTED = ("replica.suspended", "partition.lost", "ledger.unavailable", "kafka.unavailable")  # of the one that slept
HAND_OVER_SECONDS_MAX = 10.0  # 3 on a quiet machine: see the benchmark


@pytest.mark.timeout(300)
async def test_a_kill_a_frozen_owner_and_a_planned_stop_lose_nothing_and_tell_nothing_twice(tmp_path, kafka):
    """Acknowledged jobs end exactly once, budgets hold in sum, and who slept through a take-over asks no more."""
    over = asyncio.Event()
    async with replicas(tmp_path, kafka) as found:
        await found.start("a", "b", "c")
        await found.all_owned(by=3)
        clients = [asyncio.create_task(found.submit_until(over, Random(number))) for number in range(3)]
        try:
            await until(found.all_asked, what="a replica has not asked Zendesk yet")
            await found.stop("a")
            assert await found.all_owned() < HAND_OVER_SECONDS_MAX
            await found.start("a")
            await found.all_owned(by=3)
            await found.kill("b")
            found.freeze("c")
            await found.all_owned(seconds=SESSION_SECONDS + 30)
            thawed_at = time.time()
            found.thaw("c")
            await found.start("b")
            await found.all_owned(by=3)
        finally:
            over.set()
            acknowledged = await asyncio.gather(*clients)
        ids = set().union(*acknowledged)
        records = await found.events(ids, seconds=60)
        complaints = [one for relay in found.past for one in relay.complaints(*EXPECTED)]

    assert_told_exactly_once(records, ids)
    assert_budgets_held(found.zendesk)
    assert_nobody_returned(found.zendesk, "c", thawed_at=thawed_at)
    assert complaints == []
