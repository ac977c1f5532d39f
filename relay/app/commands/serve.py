"""`relay serve`: the service, until a signal ends it."""

import asyncio
import resource
import signal
from collections.abc import Mapping
from pathlib import Path

from relay.app import parts, process
from relay.app.service import Service, running
from relay.config import Config, load
from relay.errors import ConfigError
from relay.ops import memory
from relay.ops.logging import configure
from relay.shard.ports import Log


def run(*, config: Path, environ: Mapping[str, str]) -> int:
    """Raises ConfigError: it cannot start like this."""
    loaded = load_supported(config, environ)
    log = configure(style=loaded.log.format, level=loaded.log.level)
    process.run_until_signal(serve(config, environ, loaded, log))
    return 0


def load_supported(path: Path, environ: Mapping[str, str]) -> Config:
    """The configuration, of which this version can serve all. Raises ConfigError."""
    config = load(path, environ)
    refuse_unsupported(path, config)
    return config


def refuse_unsupported(path: Path, config: Config) -> None:
    """Raises ConfigError naming whatever is configured and cannot be served by this version."""
    unsupported = config.unsupported()
    if unsupported:
        raise ConfigError("\n".join(f"{path}: {sentence}" for sentence in unsupported))


async def serve(path: Path, environ: Mapping[str, str], config: Config, log: Log) -> None:
    """Run until SIGTERM or SIGINT, then drain. SIGHUP reads the configuration again. Raises ConfigError."""
    raise_file_limit()
    memory.begin_start()
    stop, hang_up = process.stop_signal(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up.set)
    async with running(config, log=log) as service:
        memory.end_start()
        reloading = asyncio.create_task(_reload(hang_up, service, path, environ, log))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, service.failure], return_when=asyncio.FIRST_COMPLETED)
        reloading.cancel()
        stopped.cancel()
        if service.failure.done():
            service.failure.result()
    log.info("service.stopped")


async def _reload(hang_up: asyncio.Event, service: Service, path: Path, environ: Mapping[str, str], log: Log) -> None:
    """API keys take effect at once; a broken file changes nothing. Whatever else has changed needs a restart."""
    while True:
        await hang_up.wait()
        hang_up.clear()
        try:
            config = load_supported(path, environ)
        except ConfigError as error:
            service.metrics.config_reloaded(successful=False)
            log.warning("config.reload_failed", error=str(error))
            continue
        service.access.keyring = parts.keyring(config.server)
        service.metrics.config_reloaded(successful=True)
        log.info("config.reloaded", applied=["server.api_keys"], note="other changes take effect at a restart")


def raise_file_limit() -> None:
    """As many connections as the system lets us have: there is one per account and sink at the least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
