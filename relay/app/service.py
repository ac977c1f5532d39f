"""One relay process: everything constructed, started in order, drained in the reverse order."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from random import Random

import aiohttp
from aiohttp import web

from relay.app import kafka, parts
from relay.config import Config
from relay.config.addresses import ListenAddress
from relay.config.server import Server
from relay.core.record import Backlog
from relay.core.standing import Standing, bounded
from relay.errors import ConfigError, LedgerError, LedgerUnusable
from relay.intake.access import Access
from relay.intake.account_calls import AccountCalls
from relay.intake.calls import JobCalls
from relay.intake.delivery_calls import DeliveryCalls
from relay.intake.event_calls import EventCalls
from relay.intake.gate import Bounds, Gate
from relay.intake.http import Calls, api, operations, runner
from relay.intake.kafka import KafkaIntake
from relay.intake.kafka import Surroundings as IntakeSurroundings
from relay.intake.probes import Probes
from relay.intake.sink_calls import SinkCalls
from relay.kafka.publisher import Publisher
from relay.ledger import Ledger
from relay.ops.clock import SystemClock
from relay.ops.health import Health
from relay.ops.metrics import Metrics
from relay.shard import Shard
from relay.shard.ports import Log, Subscriber, Surroundings
from relay.sinks.callbacks import CallbackSinks
from relay.zendesk.transport import open_session

LOOP_LAG_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running relay. `address`: host and port it listens on. `failure`: done when a loop failed, which is a bug.

    `session`: to reach further accounts by.
    """

    address: tuple[str, int]
    access: Access
    metrics: Metrics
    shard: Shard
    subscribers: Sequence[Subscriber]
    callbacks: CallbackSinks
    session: aiohttp.ClientSession
    failure: asyncio.Task[None]


@asynccontextmanager
async def running(
    config: Config,
    *,
    log: Log,
    further: Sequence[Subscriber] = (),
) -> AsyncIterator[Service]:
    """A service that runs while the context lasts, and drains when it ends. `further`: sinks beside the configured.

    Raises ConfigError (LedgerUnusable is one): it cannot start like this.
    """
    clock = SystemClock()
    health = Health(clock.monotonic)
    metrics = Metrics(account_label=config.metrics.account_label)
    async with AsyncExitStack() as stack:
        ledger = parts.ledger(config)
        await _open(ledger)
        stack.push_async_callback(ledger.close)
        session = await stack.enter_async_context(open_session())
        publisher = kafka.publisher(config.kafka, log)
        if publisher is not None:
            stack.push_async_callback(publisher.close)
        subscribers: list[Subscriber] = []
        for subscriber in chain(_subscribers(config, log, clock, publisher), further):
            stack.push_async_callback(subscriber.sink.close)  # also where the next one cannot be made
            subscribers.append(subscriber)
        access = parts.access(config)
        callbacks = CallbackSinks(access.callbacks, system_clock=clock.system)
        stack.push_async_callback(callbacks.close)
        shard = Shard(
            record=ledger,
            accounts=[parts.account(section, session) for section in config.accounts],
            subscribers=subscribers,
            callbacks=callbacks,
            settings=parts.settings(config),
            surroundings=Surroundings(
                clock=clock,
                random=Random(),  # noqa: S311 - jitter
                metrics=metrics,
                log=log,
                beat=health.beat,
            ),
        )
        gate = Gate(Bounds())
        sinks = [subscriber.subscription.sink for subscriber in subscribers]
        page = _MetricsPage(metrics=metrics, shard=shard, ledger=ledger, clock=clock)
        probes = Probes(health=health, gate=gate, metrics=page.render)
        calls = Calls(
            jobs=JobCalls(jobs=shard, access=access, gate=gate, observer=metrics, monotonic=clock.monotonic),
            events=EventCalls(events=shard.feed, access=access, gate=gate),
            accounts=AccountCalls(accounts=shard, access=access),
            sinks=SinkCalls(sinks=shard.sinks, access=access, gate=gate),
            deliveries=DeliveryCalls(sinks=shard.sinks, access=access, gate=gate),
        )
        app = api(calls=calls, probes=probes, with_metrics=config.server.metrics_listen is None)
        address = await _listen(stack, config.server, app, probes, gate.bounds)
        live_jobs = await shard.load()
        health.loaded = True
        around = IntakeSurroundings(monotonic=clock.monotonic, beat=health.beat, log=log)
        desk = kafka.Desk(jobs=shard, access=access, observer=metrics, around=around)
        intake = kafka.intake(config, publisher, desk, await ledger.marks())
        failure = asyncio.create_task(_loops(shard, intake, metrics, clock))
        stack.push_async_callback(_end, failure)
        stack.push_async_callback(shard.drain)
        if intake is not None:
            stack.push_async_callback(intake.stop)
        log.info("service.started", listen=f"http://{address[0]}:{address[1]}", jobs=live_jobs, sinks=sinks)
        try:
            yield Service(
                address=address,
                access=access,
                metrics=metrics,
                shard=shard,
                subscribers=subscribers,
                callbacks=callbacks,
                session=session,
                failure=failure,
            )
        finally:
            log.info("service.draining")
            health.draining = True
            gate.drain()


def _subscribers(config: Config, log: Log, clock: SystemClock, publisher: Publisher | None) -> Iterator[Subscriber]:
    return (
        parts.subscriber(section, emit=log.info, system_clock=clock.system, publisher=publisher)
        for section in config.sinks
    )


async def _open(ledger: Ledger) -> None:
    try:
        await ledger.open()
    except LedgerUnusable as error:
        raise ConfigError(f"ledger.path: {error}") from error


async def _listen(
    stack: AsyncExitStack, server: Server, app: web.Application, probes: Probes, bounds: Bounds
) -> tuple[str, int]:
    if server.metrics_listen is not None:
        await _serve(stack, operations(probes=probes), bounds, server.metrics_listen, "server.metrics_listen")
    return await _serve(stack, app, bounds, server.listen, "server.listen")


async def _serve(
    stack: AsyncExitStack, app: web.Application, bounds: Bounds, listen: ListenAddress, key: str
) -> tuple[str, int]:
    """Raises ConfigError, which names the `key`: nobody can listen there."""
    host, port = listen.host, listen.port
    app_runner = runner(app, bounds)
    await app_runner.setup()
    stack.push_async_callback(app_runner.cleanup)
    try:
        await web.TCPSite(app_runner, host, port).start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"{key}: cannot listen on {host}:{port}: {why}; choose another address") from error
    bound: tuple[str, int] = app_runner.addresses[0][:2]
    return bound


async def _loops(shard: Shard, intake: KafkaIntake | None, metrics: Metrics, clock: SystemClock) -> None:
    """All that runs until the end; ends when the intake has been stopped and the shard drained."""
    lag = asyncio.create_task(_measure_lag(metrics, clock))
    try:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(shard.run())
            if intake is not None:
                loops.create_task(intake.run())
    finally:
        lag.cancel()


async def _measure_lag(metrics: Metrics, clock: SystemClock) -> None:
    while True:
        began = clock.monotonic()
        await asyncio.sleep(LOOP_LAG_SECONDS)
        metrics.loop_lag(max(0.0, clock.monotonic() - began - LOOP_LAG_SECONDS))


async def _end(failure: asyncio.Task[None]) -> None:
    """After the drain the loops end by themselves; if one hangs, it is cancelled."""
    failure.cancel()
    await asyncio.wait([failure])


@dataclass(frozen=True, slots=True, kw_only=True)
class _MetricsPage:
    metrics: Metrics
    shard: Shard
    ledger: Ledger
    clock: SystemClock

    async def render(self) -> bytes:
        """Metrics are still told while the ledger is out of order: without what only the ledger knows."""
        try:
            backlog: Mapping[str, Backlog] = await self.ledger.backlog()
            size_bytes = await self.ledger.size_bytes()
        except LedgerError:
            backlog, size_bytes = {}, 0
        standing = Standing(
            now=self.clock.now(),
            jobs=dict(self.shard.live.counts),
            accounts=await self.shard.standing(),
            sinks=self.shard.sinks.standing_with(backlog),
            ledger_bytes=size_bytes,
        )
        return await self.metrics.page(bounded(standing))
