"""One life of a client that takes part in a consumer group, and reads nothing.

aiokafka's consumer would do it, too, but also fetch, and it hides the generation. So this is its group coordinator
without its fetcher.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import errors
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.structs import TopicPartition

from relay.kafka.closing import start_within, within
from relay.kafka.connection import CLOSE_SECONDS_MAX, OPEN_SECONDS_MAX, Connection
from relay.kafka.failures import told

HEARTBEAT_SECONDS = 0.5  # so late does a member hear that the group is rebalanced
REBALANCE_SECONDS_MAX = 60.0
LEAVE_SECONDS_MAX = 2.0
CUT_SECONDS = 0.01  # what is cut short has ended before others may begin it
IDLE_SECONDS_MAX = 300.0  # without a `poll`: the event loop stands still


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Which group, over the partitions of which topic. `session_seconds`: so long without a sign of life, and a member
    is taken for gone.
    """

    name: str
    topic: str
    session_seconds: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """As whom we are in the group, and what it has given us. `id`: another one once we were taken for gone.

    Each rebalance begins a new generation.
    """

    id: str
    generation: int
    partitions: frozenset[int]


class Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is not typed
    """`revoked` is called before the group goes on. aiokafka swallows what either raises, so it is kept as `bug`."""

    def __init__(self, *, revoked: Callable[[], None], assigned: Callable[[Collection[TopicPartition]], None]) -> None:
        self._revoked = revoked
        self._assigned = assigned
        self.bug: Exception | None = None

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ANN401, ARG002 - as declared by aiokafka
        with self._kept():
            self._revoked()
        await asyncio.sleep(CUT_SECONDS)

    def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ANN401 - as declared by aiokafka
        with self._kept():
            self._assigned(assigned)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is raised by `poll`
            self.bug = error


def sticky() -> type[StickyPartitionAssignor]:
    """An assignor for one member. aiokafka's own keeps what the member has on the class, for all in the process."""
    return type("Sticky", (StickyPartitionAssignor,), {})


class Coordination:
    """Calls raise KafkaFailure."""

    def __init__(
        self, client: AIOKafkaClient, group: Group, assignor: type[StickyPartitionAssignor], listener: Listener
    ) -> None:
        self._client = client
        self._assignor = assignor
        self._listener = listener
        self._subscription = SubscriptionState()
        self._subscription.register_fetch_waiters(set())
        self._coordinator = GroupCoordinator(
            client,
            self._subscription,
            group_id=group.name,
            session_timeout_ms=int(group.session_seconds * 1_000),
            heartbeat_interval_ms=int(HEARTBEAT_SECONDS * 1_000),
            rebalance_timeout_ms=int(REBALANCE_SECONDS_MAX * 1_000),
            max_poll_interval_ms=int(IDLE_SECONDS_MAX * 1_000),
            enable_auto_commit=False,
            assignors=(assignor,),
        )
        client.set_topics([group.topic])
        self._subscription.subscribe({group.topic}, listener)

    @classmethod
    async def start(
        cls, connection: Connection, group: Group, assignor: type[StickyPartitionAssignor], listener: Listener
    ) -> Self:
        """It joins the group as soon as it can, which the listener hears."""
        with told():
            await connection.reach()  # the client itself would only say that it could not start
            client = AIOKafkaClient(**connection.client_arguments())
            await start_within(OPEN_SECONDS_MAX, client.bootstrap(), lambda: within(CLOSE_SECONDS_MAX, client.close()))
        return cls(client, group, assignor, listener)

    def joined(self, assigned: Collection[TopicPartition]) -> Member:
        """To be called when the listener hears what was assigned."""
        self._assignor.on_generation_assignment(self._coordinator.generation)  # which aiokafka forgets
        return Member(
            id=self._coordinator.member_id,
            generation=self._coordinator.generation,
            partitions=frozenset(each.partition for each in assigned),
        )

    def rejoin(self, member: Member) -> None:
        """Join anew, unless that has happened since we were this member."""
        if (self._coordinator.member_id, self._coordinator.generation) == (member.id, member.generation):
            self._coordinator.request_rejoin()

    def poll(self) -> None:
        """To be called now and then. If it raises KafkaFailure, the group is joined again, unless it has `ended`.

        Also raises what the listener has raised.
        """
        if self._listener.bug is not None:
            raise self._listener.bug
        with self._subscription.fetch_context():
            pass  # nothing is fetched, but it sees that we are alive
        with told():
            try:
                self._coordinator.check_errors()
            except errors.KafkaError:
                self._coordinator.request_rejoin()
                raise

    @property
    def ended(self) -> bool:
        """It can go on no more, and a new one may do better."""
        return bool(self._coordinator._coordination_task.done())  # noqa: SLF001 - there is no other way

    async def ask(self, request: Any) -> Any:  # noqa: ANN401 - aiokafka's requests and answers
        """The coordinator's answer to a request about the group."""
        with told():
            node = self._coordinator.coordinator_id
            if node is None:
                raise errors.GroupCoordinatorNotAvailableError
            return await self._client.send(node, request, group=ConnectionGroup.COORDINATION)

    async def end(self) -> None:
        """Leave the group, if that can be done at once. Idempotent, bounded."""
        await within(LEAVE_SECONDS_MAX, self._coordinator.close())
        # Where it did not get that far
        await within(CLOSE_SECONDS_MAX, self._coordinator._stop_heartbeat_task())  # noqa: SLF001
        await within(CLOSE_SECONDS_MAX, self._coordinator._stop_commit_offsets_refresh_task())  # noqa: SLF001
        await within(CLOSE_SECONDS_MAX, self._client.close())
