"""Jobs from a Kafka topic: read, record together with the offset, go on. The source says of which partitions.

The offset in the ledger is the only truth, so nothing is lost or taken for new twice, whenever the process ends.
Whatever is away or full, reading waits for it and goes on by itself.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from relay.core.progress import Progress
from relay.intake.insisting import Insisting, Stopped
from relay.intake.offsets import Offsets
from relay.intake.records import steps
from relay.intake.taking import Taking
from relay.kafka.failures import KafkaFailure
from relay.kafka.reachability import Log, Reachability
from relay.kafka.reader import OutOfRange, Reader
from relay.kafka.topics import Topic

LOOP = "intake:kafka"
RECORDS_MAX = 1_000  # in one commit: as many as one request to the API may hand in
FETCH_SECONDS = 0.5
LOOK_SECONDS = 5.0
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.5, 5.0
STOP_SECONDS_MAX = 5.0
STILL_SECONDS_MAX = 30.0  # before a new reader is tried
SILENT_SECONDS = 60.0  # before it shows no more signs of life, so that the process is restarted after another minute


class Source(Protocol):
    """The topic. All raise KafkaFailure but `show` and `close`."""

    async def describe(self) -> Topic: ...

    async def open(self, topic: Topic, offsets: Mapping[int, int]) -> Reader:
        """`offsets`: where to begin, by partition; the others begin at the start of the log."""

    async def show(self, offsets: Mapping[int, int]) -> None:
        """Whoever wants to see how far it is read sees this."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`beat`: to be called with the loop's name when it has finished an iteration, successful or not."""

    monotonic: Callable[[], float]
    beat: Callable[[str], None]
    log: Log


class KafkaIntake:
    """Build it, `run` it, and `stop` it before what it records in. `offsets`: as the ledger has them."""

    def __init__(self, *, source: Source, offsets: Offsets, taking: Taking, around: Surroundings) -> None:
        self._source = source
        self._offsets = offsets
        self._taking = taking
        self._around = around
        self._insisting = Insisting(log=around.log, waiting=self._wait)
        self._reachability = Reachability(client="intake", log=around.log)
        self._progress = Progress()
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Returns after `stop`."""
        self._running = asyncio.current_task()
        pause = PAUSE_SECONDS_MIN
        try:
            while not self._insisting.stopping:
                self._beat()
                try:
                    await self._read()
                    pause = PAUSE_SECONDS_MIN
                except KafkaFailure as failure:
                    self._reachability.lost(failure)
                    self._wait()
                    await self._insisting.rest(pause)
                    pause = min(2 * pause, PAUSE_SECONDS_MAX)
        except Stopped:
            pass
        finally:
            await self._source.close()

    async def stop(self) -> None:
        """What is being recorded is recorded. Bounded, idempotent, safe before `run`."""
        self._insisting.stop()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=STOP_SECONDS_MAX)
            self._running.cancel()

    async def _read(self) -> None:
        """From where the offsets say, until a new reader is needed. Raises KafkaFailure or Stopped."""
        topic = await self._source.describe()
        await self._identify(topic)
        reader = await self._source.open(topic, self._offsets.saved)
        try:
            await self._follow(reader)
        finally:
            await reader.close()

    async def _identify(self, topic: Topic) -> None:
        """A topic that was deleted and made anew is read from its start."""
        if self._offsets.replaced(topic):
            self._around.log.error("intake.topic_replaced", topic=topic.name, partitions=topic.partitions)
        marks = self._offsets.identify(topic)
        if marks:
            await self._taking.take((), marks, self._insisting)
        self._offsets.identified(topic)

    async def _follow(self, reader: Reader) -> None:
        opened_at, looked_at = self._around.monotonic(), -math.inf
        while not self._insisting.stopping:
            self._beat()
            if not await self._step(reader):
                return
            now = self._around.monotonic()
            if now - looked_at >= LOOK_SECONDS:
                looked_at = now
                in_order = await self._look(reader)
                if reader.grown or (not in_order and now - opened_at >= STILL_SECONDS_MAX):
                    return

    async def _step(self, reader: Reader) -> bool:
        """False: this is another topic than the one that the reader was opened for."""
        try:
            messages = await reader.fetch(RECORDS_MAX, FETCH_SECONDS)
        except OutOfRange as missing:
            return await self._rewind(reader, missing.offsets)
        for part, reached in steps(messages, await reader.positions()):
            marks = self._offsets.moved(reached)
            if marks:
                await self._taking.take(part, marks, self._insisting)
                self._offsets.saved.update(reached)
        return True

    async def _rewind(self, reader: Reader, offsets: Mapping[int, int]) -> bool:
        """What was to come next was not kept long enough, or the topic was made anew (False)."""
        if self._offsets.replaced(await self._source.describe()):
            return False
        starts = await reader.rewind(offsets)
        self._around.log.error("intake.offset_lost", offsets=dict(offsets), goes_on_at=dict(starts))
        return True

    async def _look(self, reader: Reader) -> bool:
        """How far it is, for whoever watches. False: another reader may do better, once this one has had its time.

        Raises KafkaFailure: no broker answers, or the topic is gone.
        """
        try:
            ends = await reader.ends()
        except KafkaFailure:
            await self._source.describe()
            self._progress.excuse()  # some partitions have no leader now, or the reader is out of order
            return False
        self._reachability.found()
        await self._source.show(self._offsets.saved)
        now = self._around.monotonic()
        self._progress.look(self._offsets.saved, ends, now)
        still_seconds = self._progress.still_seconds(now)
        if still_seconds >= STILL_SECONDS_MAX:
            self._around.log.warning("intake.stands_still", seconds=round(still_seconds))
        return still_seconds < STILL_SECONDS_MAX

    def _wait(self) -> None:
        """It cannot go on, and everybody knows why."""
        self._progress.excuse()
        self._beat()

    def _beat(self) -> None:
        if self._progress.still_seconds(self._around.monotonic()) < SILENT_SECONDS:
            self._around.beat(LOOP)
