"""Gives up what has become too old while its endpoint stood still, or took less than it is owed."""

from relay.core.delivery import Schedule
from relay.shard.ports import Clock, Outbox
from relay.shard.settling import Overage
from relay.shard.writer import Writer

SWEEP_SECONDS = 60.0
PAGE = 500


async def sweep(endpoint: str, schedule: Schedule, outbox: Outbox, writer: Writer, clock: Clock) -> None:
    """Those that nobody has in hand. Raises LedgerError or Unavailable: not all of them."""
    before = clock.now() - schedule.age_seconds_max
    more = True
    while more:
        taken, _ = await writer.claim(
            lambda: outbox.overaged(endpoint, before, PAGE + writer.count_in_hand(endpoint)), PAGE
        )
        try:
            if taken:
                await writer.submit(Overage(deliveries=taken, schedule=schedule))
        finally:
            for underway in taken:
                writer.release(underway)
        more = len(taken) == PAGE
