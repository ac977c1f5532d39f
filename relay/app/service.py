"""One relay process: everything constructed, started in order, drained in the reverse order."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp
from aiohttp import web

from relay.app import kafka, parts
from relay.app.embedded import Embedded
from relay.app.replicated import Replicated
from relay.app.work import Tools, Work
from relay.config import Config
from relay.config.addresses import ListenAddress
from relay.config.kafka import KafkaLedger
from relay.config.models import SqliteLedger
from relay.config.server import Server
from relay.core.standing import Standing, bounded
from relay.errors import ConfigError
from relay.intake.access import Access
from relay.intake.account_calls import AccountCalls
from relay.intake.calls import JobCalls
from relay.intake.delivery_calls import DeliveryCalls
from relay.intake.event_calls import EventCalls
from relay.intake.gate import Bounds, Gate
from relay.intake.http import Calls, api, operations, runner, waiting_room
from relay.intake.ledger_calls import LedgerCalls
from relay.intake.probes import Probes
from relay.intake.sink_calls import SinkCalls
from relay.kafka.publisher import Publisher
from relay.ops.clock import SystemClock
from relay.ops.health import Health
from relay.ops.metrics import Metrics
from relay.shard.ports import Log, Subscriber
from relay.sinks.callbacks import CallbackSinks
from relay.zendesk.transport import open_session

LOOP_LAG_SECONDS = 0.1
NOTHING_YET = Standing(partitions_owned=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running relay. `address`: host and port it listens on. `failure`: done when a loop failed, which is a bug.

    `session`: to reach further accounts by.
    """

    address: tuple[str, int]
    access: Access
    metrics: Metrics
    work: Work
    subscribers: Sequence[Subscriber]
    callbacks: CallbackSinks
    session: aiohttp.ClientSession
    failure: asyncio.Task[None]


@asynccontextmanager
async def running(config: Config, *, log: Log) -> AsyncIterator[Service]:
    """A service that runs while the context lasts, and drains when it ends.

    Raises ConfigError (LedgerUnusable is one): it cannot start like this.
    """
    clock = SystemClock()
    health = Health(clock.monotonic)
    metrics = Metrics(account_label=config.metrics.account_label)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        publisher = kafka.publisher(config.kafka, log)
        if publisher is not None:
            stack.push_async_callback(publisher.close)
        subscribers: list[Subscriber] = []
        for subscriber in _subscribers(config, log, clock, publisher):
            stack.push_async_callback(subscriber.sink.close)  # also where the next one cannot be made
            subscribers.append(subscriber)
        access = parts.access(config)
        callbacks = CallbackSinks(access.callbacks, system_clock=clock.system)
        stack.push_async_callback(callbacks.close)
        tools = Tools(
            config=config,
            clock=clock,
            health=health,
            metrics=metrics,
            log=log,
            session=session,
            publisher=publisher,
            subscribers=subscribers,
            access=access,
            callbacks=callbacks,
        )
        gate = Gate(Bounds())
        async with _waiting_room(tools, gate):
            work = await stack.enter_async_context(_work(tools))
        probes = Probes(health=health, gate=gate, metrics=_MetricsPage(metrics, work).render)
        calls = Calls(
            jobs=JobCalls(jobs=work.jobs, access=access, gate=gate, observer=metrics, monotonic=clock.monotonic),
            events=EventCalls(events=work.events, access=access, gate=gate),
            accounts=AccountCalls(accounts=work.accounts, access=access),
            sinks=SinkCalls(sinks=work.sinks, access=access, gate=gate),
            deliveries=DeliveryCalls(sinks=work.sinks, access=access, gate=gate),
            ledger=LedgerCalls(backups=work.backups, access=access, gate=gate, log=log),
        )
        app = api(calls=calls, probes=probes, with_metrics=config.server.metrics_listen is None)
        address = await _listen(stack, config.server, app, probes, gate.bounds)
        live_jobs = await work.load()
        health.loaded = True
        failure = asyncio.create_task(_run(work, metrics, clock))
        stack.push_async_callback(_end, failure)
        stack.push_async_callback(work.drain)
        sinks = [subscriber.subscription.sink for subscriber in subscribers]
        log.info("service.started", listen=f"http://{address[0]}:{address[1]}", jobs=live_jobs, sinks=sinks)
        try:
            yield Service(
                address=address,
                access=access,
                metrics=metrics,
                work=work,
                subscribers=subscribers,
                callbacks=callbacks,
                session=session,
                failure=failure,
            )
        finally:
            log.info("service.draining")
            health.draining = True
            gate.drain()


@asynccontextmanager
async def _waiting_room(tools: Tools, gate: Gate) -> AsyncIterator[None]:
    """While Kafka is waited for, whoever calls is told so, and nobody takes the process for dead."""
    if isinstance(tools.config.ledger, SqliteLedger):
        yield
        return
    probes = Probes(health=tools.health, gate=gate, metrics=partial(tools.metrics.page, NOTHING_YET))
    async with AsyncExitStack() as stack:
        server = tools.config.server
        app = waiting_room(probes=probes, with_metrics=server.metrics_listen is None)
        await _listen(stack, server, app, probes, gate.bounds)
        yield


def _work(tools: Tools) -> AbstractAsyncContextManager[Work]:
    """Raises ConfigError."""
    match tools.config.ledger:
        case SqliteLedger() as section:
            return Embedded.opened(tools, section)
        case KafkaLedger() as section:
            return Replicated.opened(tools, section)


def _subscribers(config: Config, log: Log, clock: SystemClock, publisher: Publisher | None) -> Iterator[Subscriber]:
    return (
        parts.subscriber(section, emit=log.info, system_clock=clock.system, publisher=publisher)
        for section in config.sinks
    )


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


async def _run(work: Work, metrics: Metrics, clock: SystemClock) -> None:
    """Ends when the work has been drained."""
    lag = asyncio.create_task(_measure_lag(metrics, clock))
    try:
        await work.run()
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


@dataclass(frozen=True, slots=True)
class _MetricsPage:
    metrics: Metrics
    work: Work

    async def render(self) -> bytes:
        return await self.metrics.page(bounded(await self.work.standing()))
