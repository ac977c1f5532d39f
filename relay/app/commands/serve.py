"""`relay serve`: the service, until a signal ends it."""

import asyncio
import resource
import signal
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from relay.app import process
from relay.app.reload import Reloading
from relay.app.service import Service, running
from relay.config import Sources
from relay.errors import ConfigError
from relay.ops import memory
from relay.ops.logging import configure
from relay.shard.ports import Log


def run(*, config: Path, environ: Mapping[str, str]) -> int:
    """Raises ConfigError: it cannot start like this."""
    sources = Sources(config, environ)
    section = sources.config.log
    log = configure(style=section.format, level=section.level, colours=not environ.get("NO_COLOR"))
    try:
        process.run_until_signal(serve(sources, log))
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from error
    return 0


async def serve(sources: Sources, log: Log) -> None:
    """Run until SIGTERM or SIGINT, then drain. SIGHUP reads the configuration again. Raises ConfigError."""
    _raise_file_limit()
    memory.begin_start()
    stop, hang_up = process.stop_signal(), asyncio.Event()
    process.on_signal(signal.SIGHUP, hang_up.set)
    async with AsyncExitStack() as stack, process.until(stop):  # brokers may be waited for, for ever
        service = await stack.enter_async_context(running(sources.config, log=log))
        memory.end_start()
        await _serve(service, Reloading(sources=sources, service=service, log=log).run(hang_up))
    log.info("service.stopped")


async def _serve(service: Service, reloading: Coroutine[object, object, None]) -> None:
    """Until it is cancelled. Raises what failed, which is a bug."""
    tasks = [asyncio.create_task(reloading), service.failure]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for failed in tasks:
            if failed.done():
                failed.result()
    finally:
        tasks[0].cancel()


def _raise_file_limit() -> None:
    """As many connections as the system lets us have: there is one per account and sink at the least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
