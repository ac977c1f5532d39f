"""Worlds whose ledger owes deliveries already, without a Zendesk; sinks that answer as they are told."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from sim.world import PlainSink, Ready, World

from relay.core.callbacks import subscription_of
from relay.core.delivery import Attempt, Delivery, Subscription, owe
from relay.core.events import CloudEvent
from relay.core.job import Callback, Job
from relay.core.observe import Rules, observe, record
from relay.core.record import Batch
from relay.core.sighting import sight
from relay.ledger.memory import MemoryLedger
from relay.shard.ports import Sink
from relay.simulator import SCENARIOS

ANSWER_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Request:
    """`at`: when it came, monotonic."""

    at: float
    event: CloudEvent


class Told(PlainSink):
    """Answers as it is told, by the number of the request from 0, after so many seconds. `requests`: what came."""

    def __init__(self, answer: Callable[[int], Attempt] | Attempt | None = None, *, seconds: float = ANSWER_SECONDS):
        self.answer = answer
        self.seconds = seconds
        self.requests: list[Request] = []

    async def send(self, event: Ready) -> Attempt:
        assert isinstance(event, Ready)
        number, loop = len(self.requests), asyncio.get_running_loop()
        self.requests.append(Request(at=loop.time(), event=event))
        await asyncio.sleep(self.seconds)
        if self.answer is None:
            return Attempt()
        return self.answer if isinstance(self.answer, Attempt) else self.answer(number)

    @property
    def times(self) -> Sequence[float]:
        return [request.at for request in self.requests]

    @property
    def subjects(self) -> Sequence[str]:
        return [request.event.subject for request in self.requests]


class ToldCallbacks:
    """Sinks by url; what is not there is not allowed."""

    configured = True

    def __init__(self, sinks: dict[str, Sink]) -> None:
        self.sinks = sinks

    def sink_for(self, url: str) -> Sink | None:
        return self.sinks.get(url)


def ended_job(number: int, now: float, *, callbacks: Sequence[str] = ()) -> Job:
    """A job that has just ended, its event recorded."""
    job = Job(account="acme", id=f"V3-{number:05}", tracked_at=round(now - 60.0 + number / 1_000, 3))
    named = tuple(Callback(url=url, metadata=b'{"for":"%b"}' % url.encode()) for url in callbacks)
    ended = observe(job, sight({"id": job.id, "status": "completed"}), now, Rules())
    return record(replace(ended, callbacks=named), number + 1)


def rows_of(job: Job, subscriptions: Sequence[Subscription], now: float) -> list[Delivery]:
    everybody = (*subscriptions, *map(subscription_of, job.callbacks))
    return [row for each in everybody if (row := owe(job, None, each, now)) is not None]


async def owe_jobs(ledger: MemoryLedger, jobs: Sequence[Job], rows: Sequence[Delivery]) -> None:
    await ledger.commit(Batch(jobs=jobs, events=[(job, job.events[-1]) for job in jobs], deliveries=rows))


async def world_owing(count: int, *, callbacks: Sequence[str] = (), **sinks: Sink) -> World:
    """A world whose ledger owes the ends of so many jobs to each of these sinks, and to these callbacks."""
    world = World(scenario=SCENARIOS["calm"])
    world.receivers = dict(sinks)
    world.subscriptions = [Subscription(sink=name) for name in sinks]
    now = world.clock.now()
    jobs = [ended_job(number, now, callbacks=callbacks) for number in range(count)]
    await owe_jobs(world.ledger, jobs, [row for job in jobs for row in rows_of(job, world.subscriptions, now)])
    return world
