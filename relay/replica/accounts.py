"""The accounts as any replica sees them: those at work here as their shards tell, of the others what images show."""

from collections.abc import Callable, Mapping, Sequence

from relay.core.standing import AccountStanding
from relay.errors import Reason
from relay.ledger.kafka.partitioning import partition_of
from relay.replica.ports_answers import Census, Shards


class Accounts:
    """See relay.intake.Accounts. `ceilings`: our own most requests per minute, by configured account.

    `partitions`: of the ledger.
    """

    def __init__(
        self, *, shards: Shards, census: Census, ceilings: Callable[[], Mapping[str, float]], partitions: int
    ) -> None:
        self._shards = shards
        self._census = census
        self._ceilings = ceilings
        self._partitions = partitions

    async def standing(self) -> Sequence[AccountStanding]:
        """Each that is configured, or that is not and has live jobs somewhere. Raises LedgerError."""
        here = {one.name: one for one in await self.own_standing()}
        ceilings, live = self._ceilings(), await self._census.live_jobs()
        elsewhere = [name for name in dict.fromkeys((*ceilings, *live)) if name not in here]
        return [*here.values(), *(_elsewhere(name, ceilings.get(name), live.get(name, 0)) for name in elsewhere)]

    async def own_standing(self) -> Sequence[AccountStanding]:
        """Of the shards at work here only, so that what all replicas count can be added up."""
        return [
            standing
            for partition, shard in self._shards().items()
            for standing in await shard.standing()
            if partition_of(standing.name, self._partitions) == partition
        ]


def _elsewhere(name: str, ceiling: float | None, live_jobs: int) -> AccountStanding:
    return AccountStanding(
        name=name,
        live_jobs=live_jobs,
        ceiling_per_minute=ceiling,
        trouble=Reason.ACCOUNT_NOT_CONFIGURED if ceiling is None else None,
        elsewhere=True,
    )
