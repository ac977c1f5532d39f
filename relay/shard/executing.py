"""Carries out what records ask for: each is recorded in one commit with how far the records were read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from relay.core.commands import Command, Pause, Recover, Resume, Retry, Untrack
from relay.core.delivery import DeliveryKey, DeliveryState
from relay.core.job import JobKey
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkState
from relay.core.standstill import Standstill, encode, mark_of
from relay.shard import intents, settling
from relay.shard.couriers import Couriers
from relay.shard.draft import Draft
from relay.shard.recovering import recover
from relay.shard.writer import Writer

Marks = Mapping[str, bytes | None]
NO_MARKS: Marks = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Untracking:
    """Stop watching these jobs. `marks`: recorded together with that."""

    keys: Sequence[JobKey]
    marks: Marks

    @property
    def weight(self) -> int:
        return len(self.keys) + len(self.marks)

    def decide(self, draft: Draft) -> None:
        for key in self.keys:
            intents.Untrack(key=key).decide(draft)
        draft.marks |= self.marks


class Executing:
    """A sink that is not configured (yet) can be paused all the same, and is when it comes."""

    def __init__(self, *, couriers: Couriers, writer: Writer) -> None:
        self._couriers = couriers
        self._writer = writer

    async def execute(self, commands: Sequence[Command], marks: Marks) -> None:
        """One command, or several to stop watching a job. The marks are durable when it returns. Raises Unavailable.

        To be asked for the same again does no harm, where nobody knows whether it was carried out.
        """
        match commands:
            case [Pause(sink=sink, since=since)]:
                await self.pause(sink, since, marks)
            case [Resume(sink=sink)]:
                await self.resume(sink, marks)
            case [Recover(sink=sink, since=since, until=until)]:
                await self.recover(sink, since, until)
                await self._note(marks)
            case [Retry(key=key)]:
                await self.retry(key, marks)
            case _:
                keys = [one.key for one in commands if isinstance(one, Untrack)]
                await self._writer.submit(Untracking(keys=keys, marks=marks))

    async def pause(self, sink: str, since: float, marks: Marks = NO_MARKS) -> None:
        """Begin no further attempt until it is resumed, also after a restart. Raises Unavailable."""
        if any(courier.endpoint.stopped is SinkState.DISABLED for courier in self._couriers.labelled(sink)):
            await self._note(marks)  # it stands still already, and why is worth more
            return
        standstill = Standstill(state=SinkState.PAUSED, since=since)
        await self._note({mark_of(sink): encode(standstill), **marks})
        self._couriers.stand_still(sink, standstill)

    async def resume(self, sink: str, marks: Marks = NO_MARKS) -> None:
        """Go on, also after a 410, and at once. Raises Unavailable."""
        await self._note({mark_of(sink): None, **marks})
        self._couriers.resume(sink)

    async def recover(self, sink: str, since: float, until: float) -> int:
        """Owe again, at once, what is dead and became owed in [since, until); how many deliveries. Raises Unavailable:
        some of them may be.
        """
        wanted = DeliveryFilter(state=DeliveryState.DEAD, sink=sink, since=since, until=until)
        return await recover(wanted, self._writer)

    async def retry(self, key: DeliveryKey, marks: Marks = NO_MARKS) -> bool:
        """Attempt it now, whatever its state. False: there is no such delivery. Raises Unavailable."""
        found: bool = await self._writer.submit(settling.Retry(key=key, marks=marks))
        return found

    async def _note(self, marks: Marks) -> None:
        await self._writer.submit(intents.Track(requests=(), marks=marks))
