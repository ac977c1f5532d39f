"""`relay serve`: the service, until a signal ends it."""

import asyncio
import resource
import signal
from collections.abc import Mapping
from pathlib import Path

from relay.app import process
from relay.app.reload import Reloading
from relay.app.service import running
from relay.config import Sources
from relay.errors import ConfigError
from relay.ops import memory
from relay.ops.logging import configure
from relay.shard.ports import Log


def run(*, config: Path, environ: Mapping[str, str]) -> int:
    """Raises ConfigError: it cannot start like this."""
    sources = Sources(config, environ)
    log = configure(style=sources.config.log.format, level=sources.config.log.level)
    try:
        process.run_until_signal(serve(sources, log))
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from error
    return 0


async def serve(sources: Sources, log: Log) -> None:
    """Run until SIGTERM or SIGINT, then drain. SIGHUP reads the configuration again. Raises ConfigError."""
    raise_file_limit()
    memory.begin_start()
    stop, hang_up = process.stop_signal(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up.set)
    async with running(sources.config, log=log) as service:
        memory.end_start()
        reloading = asyncio.create_task(Reloading(sources=sources, service=service, log=log).run(hang_up))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, reloading, service.failure], return_when=asyncio.FIRST_COMPLETED)
        for failed in (reloading, service.failure):
            if failed.done():
                failed.result()
        reloading.cancel()
        stopped.cancel()
    log.info("service.stopped")


def raise_file_limit() -> None:
    """As many connections as the system lets us have: there is one per account and sink at the least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
