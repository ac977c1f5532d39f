"""Membership in a consumer group, as a hint of which partitions are ours. The lock is each partition's producer."""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from aiokafka import errors
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.structs import TopicPartition

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.coordination import REBALANCE_SECONDS_MAX, Coordination, Group, Listener, Member, sticky
from relay.kafka.failures import AWAY, KafkaFailure, told
from relay.kafka.former import MemberFile
from relay.kafka.group import leave
from relay.kafka.reachability import Log, Reachability

CHECK_SECONDS_MAX = 5.0
POLL_SECONDS = 1.0
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.5, 5.0
CLOSE_SECONDS_MAX = 10.0
STILL_SECONDS_MAX = 1.5 * REBALANCE_SECONDS_MAX  # before a new client is tried

NO_MEMBER = (
    errors.UnknownMemberIdError,
    errors.IllegalGenerationError,
    errors.RebalanceInProgressError,
)
"""What the coordinator says to whom it does not, or soon not, count among the members of this generation."""


class NotAMember(KafkaFailure):
    """The group says, or is just deciding anew, that nothing is ours."""


class Changes(Protocol):
    """Who is told. Both are quick: the group waits meanwhile, and nobody hears from us."""

    def revoked(self) -> None:
        """The group decides anew what is ours, or we are no member: any of it may be somebody else's any time."""

    def assigned(self, member: Member) -> None:
        """What is ours from now on. To be checked, since it may be over again by now."""


class Membership:
    """`run` it until it is closed. `file`: for the next process, in case that this one is killed; see MemberFile.

    `confirmed_at`: when the group was last asked whether we are a member still and then said so; by `monotonic`. -inf
    while nothing is ours.
    """

    def __init__(
        self,
        connection: Connection,
        group: Group,
        *,
        file: MemberFile | None = None,
        monotonic: Callable[[], float],
        log: Log,
    ) -> None:
        self._connection = connection
        self._group = group
        self._file = file
        self._monotonic = monotonic
        self._log = log
        self._reachability = Reachability(client="membership", log=log)
        self._assignor = sticky()
        self._coordination: Coordination | None = None
        self._member: Member | None = None
        self._remembered: str | None = None
        self._shown: dict[int, int] = {}
        self._not_shown = False
        self._closing = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self.confirmed_at = -math.inf

    @property
    def session_seconds(self) -> float:
        return self._group.session_seconds

    @property
    def assigned(self) -> frozenset[int]:
        """Empty while the group decides."""
        return frozenset() if self._member is None else self._member.partitions

    async def run(self, changes: Changes) -> None:
        """Take part until `close`, whatever happens to the brokers. Raises what `changes` raise, which is a bug."""
        self._running = asyncio.current_task()
        pause = PAUSE_SECONDS_MIN
        while not self._closing.is_set():
            try:
                await self._take_part(changes)
                pause = PAUSE_SECONDS_MIN
            except KafkaFailure as failure:
                self._reachability.lost(failure)
                await self._rest(pause)
                pause = min(2 * pause, PAUSE_SECONDS_MAX)

    async def close(self) -> None:
        """Leave the group at once, so that others need not wait. Bounded, idempotent, safe before `run`."""
        self._closing.set()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=CLOSE_SECONDS_MAX)
            self._running.cancel()

    async def check(self, *partitions: int) -> None:
        """Ask the group whether what it assigned last is ours still, and whether these are among it.

        Raises NotAMember, or another KafkaFailure: nobody tells.
        """
        began = self._monotonic()
        member, coordination = self._present()
        if not member.partitions.issuperset(partitions):
            raise NotAMember(Reason.UNAVAILABLE, "the group has given it to somebody else")
        try:
            answer = await self._ask(coordination, HeartbeatRequest(self._group.name, member.generation, member.id))
            self._judge(answer.error_code)
        except NotAMember:
            coordination.rejoin(member)
            raise
        except KafkaFailure as failure:
            self._reachability.lost(failure)
            raise
        self._reachability.found()
        if member is not self._member:
            raise NotAMember(Reason.UNAVAILABLE, "the group is being rebalanced")
        self.confirmed_at = began

    async def show(self, offsets: Mapping[int, int]) -> None:
        """For tools that watch lag: what comes next, by partition. A lasting failure is logged once, and hurts nobody.

        Nobody in relay reads it.
        """
        news = {partition: offset for partition, offset in offsets.items() if self._shown.get(partition) != offset}
        if not news:
            return
        try:
            await self._commit(news)
        except KafkaFailure as failure:
            if failure.reason not in AWAY and not self._not_shown:
                self._log.warning("intake.offsets_not_shown", group=self._group.name, error=failure.detail)
                self._not_shown = True
        else:
            self._shown |= news
            self._not_shown = False

    async def _commit(self, offsets: Mapping[int, int]) -> None:
        member, coordination = self._present()
        partitions = [(partition, offset, "") for partition, offset in offsets.items()]
        whose = (self._group.name, member.generation, member.id, OffsetCommitRequest.DEFAULT_RETENTION_TIME)
        answer = await self._ask(coordination, OffsetCommitRequest(*whose, [(self._group.topic, partitions)]))
        for _, results in answer.topics:
            for _, code in results:
                self._judge(code)

    def _present(self) -> tuple[Member, Coordination]:
        if self._member is None or self._coordination is None:
            raise NotAMember(Reason.UNAVAILABLE, "the group has not assigned anything yet")
        return self._member, self._coordination

    async def _ask(self, coordination: Coordination, request: Any) -> Any:  # noqa: ANN401 - see Coordination.ask
        with told():
            async with asyncio.timeout(CHECK_SECONDS_MAX):
                return await coordination.ask(request)

    def _judge(self, code: int) -> None:
        error = errors.for_code(code)
        if issubclass(error, NO_MEMBER):
            raise NotAMember(Reason.UNAVAILABLE, "the group has gone on without us, or is about to")
        if error is not errors.NoError:
            with told():
                raise error

    async def _take_part(self, changes: Changes) -> None:
        """As long as one client can. Raises KafkaFailure."""
        await self._say_goodbye()
        listener = Listener(revoked=partial(self._revoked, changes), assigned=partial(self._assigned, changes))
        coordination = await Coordination.start(self._connection, self._group, self._assignor, listener)
        self._coordination = coordination
        try:
            await self._attend(coordination)
        finally:
            self._coordination = None
            self._revoked(changes)
            await coordination.end()

    async def _attend(self, coordination: Coordination) -> None:
        """Until it is closed, or another client may do better, which raises KafkaFailure."""
        assigned_at = self._monotonic()
        while not self._closing.is_set():
            try:
                coordination.poll()
            except KafkaFailure as failure:
                if coordination.ended:
                    raise
                self._reachability.lost(failure)
            now = self._monotonic()
            if self._member is not None:
                assigned_at = now
                await self._remember(self._member)
            elif now - assigned_at >= STILL_SECONDS_MAX:
                raise KafkaFailure(Reason.TIMEOUT, "the group assigns nothing")
            await self._rest(POLL_SECONDS)

    async def _say_goodbye(self) -> None:
        """In the name of who we were before, so that nobody waits for it. The group may know already."""
        former = None if self._file is None else await self._file.recall()
        if former is not None:
            with told():
                await leave(self._connection, self._group.name, former)

    async def _remember(self, member: Member) -> None:
        if self._file is not None and member.id != self._remembered:
            self._remembered = member.id
            await self._file.remember(member.id)

    def _revoked(self, changes: Changes) -> None:
        self._member = None
        self.confirmed_at = -math.inf
        changes.revoked()

    def _assigned(self, changes: Changes, partitions: Collection[TopicPartition]) -> None:
        if self._coordination is not None:
            self._reachability.found()
            self._member = self._coordination.joined(partitions)
            changes.assigned(self._member)

    async def _rest(self, seconds: float) -> None:
        """So long, or until it is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
