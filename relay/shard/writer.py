"""The one serial writer: takes what waits, decides on committed state, commits, and only then lets anybody know.

While a commit runs, intents gather and share the next one. A failed commit leaves memory as it was: whoever waits is
refused, nothing new is taken until a probe succeeds, and the polls stand still meanwhile. Once the ledger is lost,
memory may be behind it, and nothing is taken any more.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from relay.core.delivery import Delivery, Subscription
from relay.core.job import Job
from relay.core.record import AlreadyKnown, Batch
from relay.errors import LedgerError, LedgerLost, NotPublishable, Reason, Unavailable
from relay.shard.arrears import Publish
from relay.shard.claims import Claims, Underway
from relay.shard.draft import Draft, Found, Memory
from relay.shard.intents import End, Intent, Observe
from relay.shard.live import Live
from relay.shard.ports import Recorder, Surroundings
from relay.shard.publications import Publications
from relay.shard.questions import Questions, reply
from relay.shard.settling import Revival
from relay.shard.subscriptions import Subscriptions
from relay.shard.waiting import wait_for

T = TypeVar("T")

QUEUE_WEIGHT_MAX = 20_000
BATCH_WEIGHT_MAX = 5_000
DELIVERIES_PER_COMMIT = 2_000
MESSAGE_BYTES_PER_COMMIT = 4 << 20  # even a slow broker takes them in the few seconds that it has for that
PROBE_MARK, PROBE_BYTES = "probe", 131_072
PROBE_SECONDS_MIN, PROBE_SECONDS_MAX = 0.5, 5.0


class Claimed(NamedTuple):
    """`rows`: all that was read."""

    taken: Sequence[Underway]
    rows: Sequence[tuple[Delivery, Job]]


class _Waiting(NamedTuple):
    intent: Intent
    answer: asyncio.Future[Any]


class _Decided(NamedTuple):
    """`deferred`: for a later batch, since this one owes so much already."""

    draft: Draft
    answers: Sequence[tuple[_Waiting, object]]
    deferred: Sequence[_Waiting]


class Writer:
    """`published`: called after each commit with what is now true, before anyone who waited resumes.

    `source`: by account, the CloudEvents source of its events.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        live: Live,
        subscriptions: Sequence[Subscription],
        published: Callable[[Sequence[Job], Sequence[Delivery]], None],
        source: Callable[[str], str],
        surroundings: Surroundings,
    ) -> None:
        self._recorder = recorder
        self._claims = Claims()
        self.publications = Publications(source=source, metrics=surroundings.metrics, log=surroundings.log)
        self._memory = Memory(
            live=live,
            claims=self._claims,
            subscriptions=Subscriptions(subscriptions),
            publications=self.publications,
        )
        self._published = published
        self._around = surroundings
        self._queue: deque[_Waiting] = deque()
        self._weight = 0
        self._in_hand: Sequence[_Waiting] = ()  # taken from the queue, and not answered
        self._position = 0
        self._work = asyncio.Event()
        self._questions = Questions(asked=self._work.set, log=surroundings.log)
        self._draining = False
        self._ended = False
        self.healthy = asyncio.Event()
        self.healthy.set()

    def resume(self, position: int) -> None:
        """The position of the newest event that is recorded; to be told before `run`."""
        self._position = position

    async def submit(self, intent: Intent) -> Any:  # noqa: ANN401 - each intent has its own answer
        """The intent's answer, once it is durable. Raises Unavailable: nothing of it was or will be recorded."""
        self._admit(intent.weight)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(intent, answer))
        self._weight += intent.weight
        self._work.set()
        return await answer

    def _admit(self, weight: int) -> None:
        if self._draining or not self.healthy.is_set():
            raise self._refusal()
        if self._weight + weight > QUEUE_WEIGHT_MAX:
            raise Unavailable(Reason.OVERLOADED, f"{self._weight} changes are waiting to be recorded", 1.0)

    async def between(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` answers between two commits, so that nothing changes meanwhile. Raises what it raises.

        Or Unavailable: the ledger is out of order, or relay is shutting down.
        """
        if self._ended:
            raise self._refusal()
        return await self._questions.ask(call)

    async def claim(
        self, read: Callable[[], Awaitable[Sequence[tuple[Delivery, Job]]]], limit: int | None = None
    ) -> Claimed:
        """Those of the deliveries that `read` answers that nobody has in hand, at most `limit`.

        They are the caller's until `release`. Raises LedgerError or Unavailable.
        """

        async def call() -> Claimed:
            rows = await read()
            return Claimed(self._claims.take(rows, limit), rows)

        return await self.between(call)

    def take(self, row: Delivery, job: Job) -> Underway:
        """The same for one that is not `in_hand`, as both have just been committed."""
        (underway,) = self._claims.take([(row, job)])
        return underway

    def in_hand(self, row: Delivery) -> bool:
        return self._claims.delivery(row.key) is not None

    def count_in_hand(self, endpoint: str) -> int:
        return self._claims.count(endpoint)

    def release(self, underway: Underway) -> None:
        self._claims.release(underway)

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """Take nothing new; `run` returns when what waits is recorded. Idempotent."""
        self._draining = True
        self._work.set()

    async def run(self) -> None:
        """Until it is drained. Raises LedgerLost. However it ends, nobody is left waiting."""
        try:
            while self._queue or not self._draining:
                self._around.beat("writer")
                await wait_for(self._work)
                self._work.clear()
                if await self._questions.answer():
                    self._work.set()
                self._in_hand = self._take()
                if self._in_hand:
                    await self._write(self._in_hand)
                self._in_hand = ()
        finally:
            self._ended = True
            self.healthy.clear()
            self._refuse(self._refusal())

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        weight = 0
        while self._queue and weight < BATCH_WEIGHT_MAX:
            waiting = self._queue.popleft()
            weight += waiting.intent.weight
            taken.append(waiting)
        self._weight -= weight
        if self._queue:
            self._work.set()
        return taken

    async def _write(self, waiting: Sequence[_Waiting]) -> None:
        try:
            decided = await self._record(waiting)
        except LedgerLost:
            raise
        except LedgerError as error:
            await self._recover(error)
            return
        self._publish(decided.draft)
        for one, result in decided.answers:
            reply(one.answer, result=result)
        self._defer(decided.deferred)

    def _defer(self, waiting: Sequence[_Waiting]) -> None:
        if waiting:
            self._queue.extend(waiting)
            self._weight += sum(one.intent.weight for one in waiting)
            self._work.set()

    async def _record(self, waiting: Sequence[_Waiting]) -> _Decided:
        """Decided as if nobody knew a job that is not live, since so it mostly is; once more where the ledger does."""
        found = Found(deliveries=await self._read(waiting))
        try:
            return await self._publish_with(waiting, found)
        except AlreadyKnown as known:
            return await self._publish_with(waiting, replace(found, jobs=known.jobs))

    async def _publish_with(self, waiting: Sequence[_Waiting], found: Found) -> _Decided:
        """What cannot be published stays owed: decided once more, without what is too large, or without any message."""
        refusal: NotPublishable | None = None
        while True:
            decided = self._decide(waiting, found, refusal)
            batch = decided.draft.finish()
            try:
                await self._commit(batch)
            except NotPublishable as error:
                if not batch.messages:
                    raise
                refusal = error if refusal is None else NotPublishable(str(error), error.reason)
            else:
                return decided

    async def _read(self, waiting: Sequence[_Waiting]) -> Mapping[object, Sequence[tuple[Delivery, Job]]]:
        revivals = [one.intent for one in waiting if isinstance(one.intent, Revival)]
        return {revival: await revival.read(self._recorder) for revival in revivals}

    def _decide(self, waiting: Sequence[_Waiting], found: Found, refusal: NotPublishable | None) -> _Decided:
        draft = Draft(
            memory=self._memory,
            found=found,
            position=self._position,
            now=self._around.clock.now(),
            refusal=refusal,
        )
        answers: list[tuple[_Waiting, object]] = []
        deferred: list[_Waiting] = []
        for one in waiting:
            # Where there are many sinks, a few events are a large commit, and whoever hands in jobs waits for it.
            if _is_large(draft) and isinstance(one.intent, Observe | End | Publish):
                deferred.append(one)
            else:
                answers.append((one, one.intent.decide(draft)))
        return _Decided(draft, answers, deferred)

    async def _commit(self, batch: Batch) -> None:
        if not (batch.jobs or batch.deliveries or batch.unknown or batch.marks):
            return
        began = self._around.clock.monotonic()
        try:
            await self._recorder.commit(batch)
        except LedgerError as error:
            seconds = self._around.clock.monotonic() - began
            self._around.metrics.commit("failed", seconds)
            if isinstance(error, NotPublishable):
                self.publications.refused(batch.messages, error, seconds)
            raise
        seconds = self._around.clock.monotonic() - began
        self._around.metrics.commit("committed", seconds)
        self.publications.published(batch.messages, seconds)

    def _publish(self, draft: Draft) -> None:
        self._position = draft.position
        self._claims.update(draft.jobs.values(), draft.deliveries.values())
        self._published(tuple(draft.jobs.values()), tuple(draft.deliveries.values()))

    async def _recover(self, error: LedgerError) -> None:
        """Refuse whoever waits, then try again and again until the ledger takes a write."""
        self.healthy.clear()
        self._around.log.error("ledger.unavailable", error=str(error))
        refusal = _ledger_unavailable()
        self._refuse(refusal)
        pause = PROBE_SECONDS_MIN
        while not await self._probe():
            self._around.beat("writer")
            self._refuse(refusal)
            self._work.clear()
            await wait_for(self._work, pause)  # or until it is drained
            pause = min(2 * pause, PROBE_SECONDS_MAX)
            if self._draining:
                return
        self.healthy.set()
        self._around.log.info("ledger.recovered")

    def _refuse(self, refusal: Unavailable) -> None:
        """Whoever waits."""
        for one in (*self._in_hand, *self._queue):
            reply(one.answer, error=refusal)
        self._queue.clear()
        self._in_hand, self._weight = (), 0
        self._questions.refuse(refusal)

    def _refusal(self) -> Unavailable:
        if self._draining:
            return Unavailable(Reason.DRAINING, "relay is shutting down", 5.0)
        return _ledger_unavailable()

    async def _probe(self) -> bool:
        # As large as a usual batch: a disk with room for a few bytes only would end the outage for a moment.
        try:
            await self._commit(Batch(marks={PROBE_MARK: bytes(PROBE_BYTES)}))
            await self._commit(Batch(marks={PROBE_MARK: None}))
        except LedgerLost:
            raise
        except LedgerError:
            return False
        return True


def _ledger_unavailable() -> Unavailable:
    # Callers read this; which file and why is for the log.
    return Unavailable(Reason.LEDGER_UNAVAILABLE, "the ledger cannot be written at the moment", 5.0)


def _is_large(draft: Draft) -> bool:
    return len(draft.deliveries) >= DELIVERIES_PER_COMMIT or draft.message_bytes >= MESSAGE_BYTES_PER_COMMIT
