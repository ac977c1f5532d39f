"""The delivery loop of one sink: claims what is due, sends it, settles it. Sinks never wait for each other."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Protocol

from relay.core.delivery import Attempt, owed
from relay.core.events import render
from relay.errors import LedgerError, Unavailable
from relay.shard.intents import Settle, Underway
from relay.shard.ports import Subscriber, Surroundings
from relay.shard.waiting import IDLE_SECONDS, wait_for
from relay.shard.writer import Claim, Writer

CLAIMS_PER_SLOT = 4  # attempts that have ended may wait for their commit while others begin


class Outbox(Protocol):
    async def next_due(self, sink: str, after: float) -> float | None: ...


class Courier:
    def __init__(
        self,
        *,
        subscriber: Subscriber,
        sources: Mapping[str, str],
        outbox: Outbox,
        writer: Writer,
        surroundings: Surroundings,
        random: Random,
    ) -> None:
        self._subscriber = subscriber
        self._sources = sources
        self._outbox = outbox
        self._writer = writer
        self._around = surroundings
        self._random = random
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(subscriber.concurrency)
        self._underway = 0
        self._stopped = False

    @property
    def name(self) -> str:
        return self._subscriber.subscription.sink

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no further attempt; `run` returns when those underway are settled. Idempotent."""
        self._stopped = True
        self._wake.set()

    async def run(self) -> None:
        limit = CLAIMS_PER_SLOT * self._subscriber.concurrency
        async with asyncio.TaskGroup() as attempts:
            while not self._stopped:
                self._around.beat(f"courier:{self.name}")
                if not self._writer.healthy.is_set():
                    await wait_for(self._writer.healthy)
                    continue
                self._wake.clear()
                claimed = await self._claim(limit - self._underway)
                for underway in claimed:
                    self._underway += 1
                    attempts.create_task(self._deliver(underway))
                if not claimed:
                    await self._pause()

    async def _claim(self, limit: int) -> list[Underway]:
        if limit <= 0:
            return []
        try:
            return await self._writer.claim(Claim(sink=self.name, limit=limit))
        except Unavailable:
            return []

    async def _pause(self) -> None:
        """Until something becomes due, or an attempt ends and makes room."""
        now = self._around.clock.now()
        try:
            due_at = await self._outbox.next_due(self.name, now)
        except LedgerError:
            due_at = None
        await wait_for(self._wake, IDLE_SECONDS if due_at is None else due_at - now)

    async def _deliver(self, underway: Underway) -> None:
        try:
            async with self._slots:
                if self._stopped:
                    return
                sequence, attempt = await self._attempt(underway)
            await self._settle(underway, sequence, attempt)
        finally:
            self._writer.release(underway)
            self._underway -= 1
            self.wake()

    async def _attempt(self, underway: Underway) -> tuple[int, Attempt]:
        job = underway.job
        event = owed(underway.delivery, job, self._subscriber.subscription)
        if event is None:  # the subscription was changed while it waited
            return underway.delivery.sequence, Attempt()
        began = self._around.clock.monotonic()
        attempt = await self._subscriber.sink.send(render(job, event, self._source(job.account)))
        seconds = self._around.clock.monotonic() - began
        self._around.metrics.delivery(self.name, attempt.reason or "delivered", seconds)
        return event.sequence, attempt

    def _source(self, account: str) -> str:
        return self._sources.get(account, f"urn:zendesk-job-relay:account:{account}")

    async def _settle(self, underway: Underway, sequence: int, attempt: Attempt) -> None:
        """Record how it went, however long the ledger takes: what the sink has taken should not be sent twice."""
        intent = Settle(
            underway=underway,
            attempted_sequence=sequence,
            attempt=attempt,
            subscription=self._subscriber.subscription,
            schedule=self._subscriber.schedule,
            jitter=self._random.random(),
        )
        while True:
            try:
                await self._writer.submit(intent)
            except Unavailable as refusal:
                if self._writer.draining:
                    return
                await asyncio.sleep(min(refusal.retry_after_seconds, 1.0))
                await self._writer.healthy.wait()
            else:
                return
