"""The sinks as any replica sees them: what is asked for goes to every partition, since each owes them something.

How a sink takes what it is sent is known where that is done: in the shards at work here. Of the others, the images tell
what is owed, and where a person or a 410 has stopped it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random

from relay.core.callbacks import CALLBACK
from relay.core.commands import Pause, Recover, Resume, Retry
from relay.core.delivery import Attempt, Delivery, DeliveryKey, DeliveryState, revive
from relay.core.job import Job
from relay.core.record import Backlog, DeliveryFilter
from relay.core.standing import SinkStanding, SinkState, together
from relay.core.standstill import Standstill, decode, mark_of
from relay.errors import LedgerError, UnknownSink
from relay.replica.asking import Asking
from relay.replica.halts import Halt, Halts
from relay.replica.ports_answers import DeliveryRows, OwnShard, Shards
from relay.replica.receivers import Receivers
from relay.shard.ports import Clock
from relay.shard.sinks import by_label, send_trial

COUNTED_AT_ONCE = 500


class Sinks:
    """See relay.intake.Sinks. `random`: for the ids of tests."""

    def __init__(
        self,
        *,
        receivers: Receivers,
        rows: DeliveryRows,
        asking: Asking,
        shards: Shards,
        clock: Clock,
        random: Random,
    ) -> None:
        self._receivers = receivers
        self._rows = rows
        self._asking = asking
        self._shards = shards
        self._clock = clock
        self._random = random
        self._halts = Halts()

    async def standing(self) -> Sequence[SinkStanding]:
        """Of all partitions, in the order of the configuration; `callback` last, where there are any."""
        marks = await self._rows.marks()
        self._halts.shown({number: self._asking.reached(number, own) for number, own in marks.items()})
        owed = by_label(await self._rows.backlog())
        own = {number: _by_name(shard.sinks.standing_with({})) for number, shard in self._shards().items()}
        return [
            together([*self._everywhere(name, marks, own), self._owed(name, owed.get(name, Backlog()))])
            for name in self._names([*owed, *(each for standings in own.values() for each in standings)])
        ]

    async def own_standing(self) -> Sequence[SinkStanding]:
        """Of the shards at work here only, so that what all replicas count can be added up.

        Without what only the ledger knows, where that is out of order.
        """
        found = [await _own(shard) for shard in self._shards().values()]
        return [
            together([*(each[name] for each in found if name in each), self._receivers.standing(name)])
            for name in self._names([name for each in found for name in each])
        ]

    async def pause(self, name: str) -> None:
        """Everywhere, since this moment."""
        await self._check(name)
        await self._halt(Pause(sink=name, since=self._clock.now()))

    async def resume(self, name: str) -> None:
        await self._check(name)
        await self._halt(Resume(sink=name))

    async def test(self, name: str) -> Attempt:
        """From here, paused or not. Callbacks have no address: UnknownSink."""
        subscriber = self._receivers.find(name)
        if subscriber is None:
            raise UnknownSink(name)
        return await send_trial(subscriber.sink, name, self._random, self._clock.now())

    async def recover(self, name: str, since: float, until: float) -> int:
        """How many there are by what the images show. `until`: by now at the latest."""
        await self._check(name)
        until = min(until, self._clock.now())
        wanted = DeliveryFilter(state=DeliveryState.DEAD, sink=name, since=since, until=until)
        count = await self._count(wanted)
        await self._asking.of_sink(Recover(sink=name, since=since, until=until))
        return count

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]:
        """As the images show them."""
        return await self._rows.deliveries(wanted, after, limit)

    async def retry(self, key: DeliveryKey) -> bool:
        """As far as the images show it, there is one to make."""
        found = await self._rows.delivery(key)
        if found is None or not self._can_be_made(*found):
            return False
        await self._asking.of_account(
            Retry(tracked_at=key.tracked_at, account=key.account, job_id=key.job_id, sink=key.sink)
        )
        return True

    async def _check(self, name: str) -> None:
        known = self._receivers.find(name) is not None
        if not (known or name in self._names(by_label(await self._rows.backlog()))):
            raise UnknownSink(name)

    async def _halt(self, halt: Halt) -> None:
        self._halts.put(halt, await self._asking.of_sink(halt))

    async def _count(self, wanted: DeliveryFilter) -> int:
        count = 0
        after: DeliveryKey | None = None
        while page := await self._rows.deliveries(wanted, after, COUNTED_AT_ONCE):
            count += len(page)
            after = page[-1][0].key
        return count

    def _can_be_made(self, delivery: Delivery, job: Job) -> bool:
        subscription = self._receivers.subscription(delivery, job)
        return subscription is not None and revive(delivery, job, subscription, self._clock.now()) is not None

    def _names(self, found: Iterable[str]) -> Sequence[str]:
        """`found`: names of sinks that are owed something, or that somebody delivers to."""
        callbacks = self._receivers.callbacks or CALLBACK in found
        return (*self._receivers.names, CALLBACK) if callbacks else self._receivers.names

    def _owed(self, name: str, owed: Backlog) -> SinkStanding:
        """All that there is, once: what the partitions tell is how it goes there."""
        return replace(
            self._receivers.standing(name),
            pending=owed.pending,
            dead=owed.dead,
            oldest_pending_since=owed.oldest_pending_since,
        )

    def _everywhere(
        self,
        name: str,
        marks: Mapping[int, Mapping[str, bytes]],
        own: Mapping[int, Mapping[str, SinkStanding]],
    ) -> Iterable[SinkStanding]:
        for number in range(self._asking.partitions):
            halt = self._halts.find(name, number)
            if isinstance(halt, Resume):
                continue
            standstill = _standstill(marks.get(number, {}).get(mark_of(name)), halt)
            if standstill is not None:
                state, since, error = standstill.state, standstill.since, standstill.error
                yield replace(self._receivers.standing(name), state=state, since=since, error=error)
            elif name in own.get(number, {}):
                yield own[number][name]


def _by_name(standings: Iterable[SinkStanding]) -> Mapping[str, SinkStanding]:
    return {one.name: one for one in standings}


async def _own(shard: OwnShard) -> Mapping[str, SinkStanding]:
    try:
        return _by_name(await shard.sinks.standing())
    except LedgerError:
        return _by_name(shard.sinks.standing_with({}))


def _standstill(mark: bytes | None, halt: Pause | None) -> Standstill | None:
    """What the mark says, or will say. A 410 stays one although it is paused: why it stands still is worth more."""
    marked = None if mark is None else decode(mark)
    if halt is None or (marked is not None and marked.state is SinkState.DISABLED):
        return marked
    return Standstill(state=SinkState.PAUSED, since=halt.since)
