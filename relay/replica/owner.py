"""One partition's life here: taken over when it is ours, worked on, and given up when it is not."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic

from relay.errors import LedgerError, LedgerUnusable
from relay.kafka.failures import KafkaFailure
from relay.ledger import Ledger
from relay.replica.beats import Beats
from relay.replica.ports import Intake, Parts, S, Surroundings

AGAIN_SECONDS_MIN, AGAIN_SECONDS_MAX = 0.1, 2.0  # before the group is asked again, which may be deciding
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.5, 5.0
DRAIN_SECONDS_MAX = 1.5  # others wait for the partition; an attempt that takes longer is made again by them
STOP_SECONDS_MAX = 10.0


class Owner(Generic[S]):
    """`check`: asks the group whether these partitions are ours still, and raises KafkaFailure.

    `shard`: the one at work; None: the partition is not ours, or not taken over yet.
    """

    def __init__(
        self, partition: int, *, check: Callable[[int], Awaitable[None]], parts: Parts[S], surroundings: Surroundings
    ) -> None:
        self.partition = partition
        self.shard: S | None = None
        self._check = check
        self._parts = parts
        self._around = surroundings
        self._beats = Beats(partition, beat=surroundings.beat, forget=surroundings.forget)
        self._tenure: int | None = None
        self._changed = asyncio.Event()
        self._suspended = True
        self._stopping = False
        self._troubled = False
        self._pause = PAUSE_SECONDS_MIN
        self._work: asyncio.Task[None] | None = None
        self._intake: Intake | None = None
        self._running: asyncio.Task[None] | None = None

    def assign(self, tenure: int | None) -> None:
        """In which of our tenures it is ours; None: it is not.

        As long as that stays the same, nobody else can have had it; else it is given up, and taken over anew.
        """
        if tenure != self._tenure:
            self._tenure = tenure
            self._changed.set()
            self._give_up()

    def suspend(self) -> None:
        """It may not be ours: do nothing that others see, but keep all as it is. Idempotent."""
        self._suspended = True
        if self.shard is not None:
            self.shard.suspend()

    def resume(self) -> None:
        """Idempotent."""
        self._suspended = False
        if self.shard is not None:
            self.shard.resume()

    async def run(self) -> None:
        """Returns after `stop`; raises what is a bug, or LedgerUnusable: a person must look."""
        self._running = asyncio.current_task()
        while not self._stopping:
            self._changed.clear()
            if self._tenure is None:
                await self._changed.wait()
            elif not await self._hold():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause):
                        await self._changed.wait()
                self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)

    async def stop(self) -> None:
        """Record what was begun, and let go. Bounded, idempotent, safe before `run`."""
        self._stopping = True
        if self.shard is not None and self._intake is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS_MAX):
                    await asyncio.gather(self._intake.stop(), self.shard.drain())
        self._changed.set()
        self._give_up()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=STOP_SECONDS_MAX)
            self._running.cancel()

    def _give_up(self) -> None:
        if self._work is not None and not self._work.cancelling():
            self._work.cancel()

    async def _hold(self) -> bool:
        """Until it is given up, or lost (False)."""
        ledger = self._parts.ledger(self.partition)
        # By a task of its own, so that to cancel it does not cut short what comes after it.
        self._work = work = asyncio.create_task(self._own(ledger))
        try:
            await asyncio.wait([work])
        finally:
            self._give_up()
            await asyncio.wait([work])
            await ledger.close()
            self._beats.end()
            self._work = None
        return work.cancelled() or self._expected(work.exception())

    async def _own(self, ledger: Ledger) -> None:
        began = self._around.monotonic()
        await self._confirm()
        await ledger.open()
        shard = self._parts.shard(self.partition, ledger, self._beats)
        jobs, marks = await shard.load(), await ledger.marks()
        await self._confirm()
        # Nothing is awaited from here on: what is configured anew now would be told to neither.
        intake = self._parts.intake(self.partition, shard, marks, self._beats)
        self._troubled, self._pause = False, PAUSE_SECONDS_MIN
        seconds = round(self._around.monotonic() - began, 3)
        self._around.log.info("partition.taken", partition=self.partition, jobs=jobs, seconds=seconds)
        await self._run(shard, intake)

    async def _run(self, shard: S, intake: Intake) -> None:
        self.shard, self._intake = shard, intake
        if self._suspended:
            shard.suspend()
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(shard.run())
                loops.create_task(intake.run())
        finally:
            self.shard = self._intake = None
            self._around.log.info("partition.released", partition=self.partition)

    async def _confirm(self) -> None:
        """Return when the group says that it is ours. If that is for somebody else to say, this is given up."""
        pause = AGAIN_SECONDS_MIN
        while True:
            try:
                await self._check(self.partition)
            except KafkaFailure:
                await asyncio.sleep(pause)
                pause = min(2 * pause, AGAIN_SECONDS_MAX)
            else:
                return

    def _expected(self, error: BaseException | None) -> bool:
        """Whether there is none. Raises one that is a bug."""
        if error is None:
            return True
        _, bugs = BaseExceptionGroup("a partition ended", [error]).split(_passes)
        if bugs is not None:
            raise error
        if not self._troubled:
            self._around.log.warning("partition.lost", partition=self.partition, error=_words(error))
        self._troubled = True
        return False


def _passes(error: BaseException) -> bool:
    """Whether to begin anew may help: the partition, or Kafka, was lost for a while."""
    return isinstance(error, KafkaFailure | LedgerError) and not isinstance(error, LedgerUnusable)


def _words(error: BaseException) -> str:
    """Of the first that there is in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
