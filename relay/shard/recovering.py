"""Makes dead deliveries again, in pages, between which others have their turn."""

from relay.core.delivery import DeliveryKey
from relay.core.record import DeliveryFilter
from relay.shard.settling import Recover, Recovered
from relay.shard.writer import Writer

PAGE = 500


async def recover(wanted: DeliveryFilter, writer: Writer) -> int:
    """All that are wanted; how many are owed again. Raises Unavailable: some of them may be."""
    count = 0
    after: DeliveryKey | None = None
    while True:
        recovered: Recovered = await writer.submit(Recover(wanted=wanted, after=after, limit=PAGE))
        count += recovered.revived
        if recovered.last is None:
            return count
        after = recovered.last
