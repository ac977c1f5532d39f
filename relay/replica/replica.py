"""Many shards in one process: those of the partitions that the group has given to it, as long as it has.

What the group says is a hint. It is taken for true while it was asked recently; the lock is in each ledger.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Generic

from relay.kafka.coordination import Member
from relay.kafka.failures import KafkaFailure
from relay.kafka.membership import NotAMember
from relay.replica.owner import Owner
from relay.replica.ports import Membership, Parts, S, Surroundings

LOOP = "replica"
CHECK_SECONDS = 2.0
FENCE_SHARE = 0.7  # of the session, after which the group may give our partitions to others


class Replica(Generic[S]):
    """`run` it, and `stop` it to hand over. `partitions`: of the ledger, in all."""

    def __init__(self, *, membership: Membership, partitions: int, parts: Parts[S], surroundings: Surroundings) -> None:
        self._membership = membership
        self._around = surroundings
        self._owners = [
            Owner(number, check=membership.check, parts=parts, surroundings=surroundings)
            for number in range(partitions)
        ]
        self._member: Member | None = None
        self._tenure = 0
        self._acting = False
        self._fenced = False
        self._told = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def shards(self) -> Mapping[int, S]:
        """Those at work, by partition; they may be suspended."""
        return {owner.partition: owner.shard for owner in self._owners if owner.shard is not None}

    def may_act(self) -> bool:
        """Whether what is assigned is ours beyond doubt. If not, all is suspended when it returns.

        To be asked before what nobody else may do at the same time: a process that was frozen finds out here, and
        before it goes on with what it had been about to do.
        """
        if self._acting and self._left_seconds() <= 0.0:
            self._suspend()
            self._fenced = True
            self._around.log.warning("replica.suspended", error="the group has confirmed nothing for too long")
        return self._acting

    async def run(self) -> None:
        """Returns after `stop`. Raises what is a bug, or LedgerUnusable: a person must look."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._membership.run(self))
            loops.create_task(self._keep())
            for owner in self._owners:
                loops.create_task(owner.run())

    async def stop(self) -> None:
        """Hand over: what was begun is recorded, all is let go, and others are told. Bounded, idempotent."""
        self._stopping.set()
        self._told.set()
        try:
            await asyncio.gather(*(owner.stop() for owner in self._owners))
        finally:
            await self._membership.close()

    def revoked(self) -> None:
        """The group decides anew: all stays as it is, but does nothing."""
        self._suspend()

    def assigned(self, member: Member) -> None:
        """What stays ours goes on once the group has confirmed it; what is not ours any more ends."""
        if not _follows(member, self._member):
            self._tenure += 1
        self._member = member
        for owner in self._owners:
            owner.assign(self._tenure if owner.partition in member.partitions else None)
        self._around.log.info("partitions.assigned", partitions=sorted(member.partitions))
        self._told.set()

    async def _keep(self) -> None:
        """Ask the group again and again."""
        while not self._stopping.is_set():
            self._told.clear()
            await self._confirm()
            self._around.beat(LOOP)
            patience = min(CHECK_SECONDS, self._left_seconds()) if self._acting else CHECK_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._told.wait()

    async def _confirm(self) -> None:
        """Act on what the group says; on what it said last while it does not answer, but not for long."""
        try:
            async with asyncio.timeout(self._left_seconds() if self._acting else None):
                await self._membership.check()
        except NotAMember:
            self._suspend()
        except (KafkaFailure, TimeoutError):
            self.may_act()
        else:
            if self._left_seconds() > 0.0:  # or the answer was too long on its way to a process that was frozen
                self._resume()

    def _left_seconds(self) -> float:
        """Until what the group said last does not count any more."""
        until = self._membership.confirmed_at + FENCE_SHARE * self._membership.session_seconds
        return until - self._around.monotonic()

    def _suspend(self) -> None:
        self._acting = False
        for owner in self._owners:
            owner.suspend()

    def _resume(self) -> None:
        self._acting = True
        for owner in self._owners:
            owner.resume()
        if self._fenced:
            self._around.log.info("replica.resumed")
        self._fenced = False


def _follows(member: Member, former: Member | None) -> bool:
    """Whether we know of all that was assigned since. In a generation that we missed, ours may have been another's."""
    return former is not None and member.id == former.id and member.generation <= former.generation + 1
