"""The one producer that all share who publish: started when it is needed, given up and replaced when it fails."""

import asyncio

from relay.errors import Reason
from relay.kafka.connection import Connection
from relay.kafka.failures import AWAY, FAILURES, KafkaFailure, describe, reason_of, told
from relay.kafka.producer import Producer, Record, Superseded, Written
from relay.kafka.reachability import Log, Reachability

PUBLISH_SECONDS_MAX = 15.0
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.5, 5.0
CLOSE_SECONDS_MAX = 2.0


class NotPublished(KafkaFailure):
    """No acknowledgement has come. The broker may have the record all the same, or get it yet."""


class Publisher:
    """Safe to be used by many at once. Whoever publishes while Kafka is away waits for it, for a bounded time."""

    def __init__(self, connection: Connection, log: Log) -> None:
        self._connection = connection
        self._reachability = Reachability(client="producer", log=log)
        self._connecting = asyncio.Lock()
        self._producer: Producer | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def publish(self, record: Record) -> Written:
        """Return when all replicas in sync have it. Raises NotPublished, after 15 s at the latest.

        Records of one key that are published one after another stand in this order.
        """
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PUBLISH_SECONDS_MAX):
                written = await self._sent(record, began)
                while written is None:
                    written = await self._sent(record, began)
        except FAILURES as error:
            raise self._not_published(error) from error
        self._reachability.found()
        return written

    async def _sent(self, record: Record, began: float) -> Written | None:
        """None: the producer is of no more use, and the next one may do better. Raises any of FAILURES."""
        producer = await self._connected()
        try:
            return await producer.send(record)
        except Superseded:
            self._give_up(producer)
            return None
        except (*FAILURES, asyncio.CancelledError) as error:
            late = isinstance(error, asyncio.CancelledError) or reason_of(error) is Reason.TIMEOUT
            if not producer.usable or (late and producer.acknowledged_at < began):  # nobody got anything through
                self._give_up(producer)
            raise

    async def close(self) -> None:
        """Idempotent, bounded."""
        if self._producer is not None:
            self._give_up(self._producer)
        if self._ending:
            await asyncio.wait(self._ending, timeout=CLOSE_SECONDS_MAX)
            for ending in self._ending:
                ending.cancel()

    async def _connected(self) -> Producer:
        """One who waits tries for all; if the time of that one is up, the next goes on."""
        async with self._connecting:
            pause = PAUSE_SECONDS_MIN
            while self._producer is None:
                try:
                    with told():
                        self._producer = await Producer.start(self._connection)
                except KafkaFailure as failure:
                    self._reachability.lost(failure)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, PAUSE_SECONDS_MAX)
            return self._producer

    def _not_published(self, error: BaseException) -> NotPublished:
        known = self._reachability.failure
        if self._producer is None and known is not None:  # the time was up while Kafka was away
            return NotPublished(known.reason, known.detail)
        failure = NotPublished(reason_of(error), describe(error))
        if failure.reason in AWAY:
            self._reachability.lost(failure)
        return failure

    def _give_up(self, producer: Producer) -> None:
        if producer is self._producer:
            self._producer = None
            ending = asyncio.create_task(producer.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
