"""What can be said to a consumer group from outside: how far its topic was read, and that a member is gone."""

from collections.abc import Mapping

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.group import LeaveGroupRequest

from relay.kafka.closing import within
from relay.kafka.connection import CLOSE_SECONDS_MAX, Connection
from relay.kafka.failures import FAILURES, describe
from relay.kafka.reachability import Log

GROUP = 0  # a kind of coordinator
NO_MEMBER = (OffsetCommitRequest.DEFAULT_GENERATION_ID, "", OffsetCommitRequest.DEFAULT_RETENTION_TIME)


class Mirror:
    """Shows what was consumed as the committed offsets of a group that has no members. Nobody in relay reads them.

    A failure is logged once, and of no other consequence: no permission, or somebody else consumes in this group.
    """

    def __init__(self, connection: Connection, *, group: str, topic: str, log: Log) -> None:
        self._connection = connection
        self._group = group
        self._topic = topic
        self._log = log
        self._coordinator: AIOKafkaConnection | None = None
        self._shown: Mapping[int, int] = {}
        self._failed = False

    async def show(self, offsets: Mapping[int, int]) -> None:
        """`offsets`: by partition, of what comes next."""
        if offsets == self._shown:
            return
        try:
            await self._commit(offsets)
        except FAILURES as error:
            await self.close()
            passing = getattr(error, "retriable", True)  # the next time may go well, and nobody needs to know
            if not self._failed and not passing:
                self._log.warning("intake.offsets_not_shown", group=self._group, error=describe(error))
            self._failed |= not passing
        else:
            self._failed, self._shown = False, dict(offsets)

    async def close(self) -> None:
        coordinator, self._coordinator = self._coordinator, None
        if coordinator is not None:
            await within(CLOSE_SECONDS_MAX, coordinator.close())

    async def _commit(self, offsets: Mapping[int, int]) -> None:
        if self._coordinator is None or not self._coordinator.connected():
            self._coordinator = await _find_coordinator(self._connection, self._group)
        partitions = [(partition, offset, "") for partition, offset in offsets.items()]
        answer = await self._coordinator.send(OffsetCommitRequest(self._group, *NO_MEMBER, [(self._topic, partitions)]))
        for _, results in answer.topics:
            for _, code in results:
                _check(code)


async def leave(connection: Connection, group: str, member_id: str) -> None:
    """Say goodbye in the name of a member that is gone, or may be. Raises any of FAILURES."""
    coordinator = await _find_coordinator(connection, group)
    try:
        await coordinator.send(LeaveGroupRequest(group, member_id))  # it may answer that it knows already
    finally:
        await within(CLOSE_SECONDS_MAX, coordinator.close())


async def _find_coordinator(connection: Connection, group: str) -> AIOKafkaConnection:
    """Connected, and to be closed by whoever calls."""
    async with connection.connected() as broker:
        answer = await broker.send(FindCoordinatorRequest(group, GROUP))
    _check(answer.error_code)
    return await connection.connect(answer.host, answer.port)


def _check(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error
