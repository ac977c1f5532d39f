"""`relay ledger backup`: a copy of the ledger's file, whether relay runs or not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from relay.app import process
from relay.app.client import Caller, advising, open_session
from relay.app.terminal import console, say
from relay.app.whole_file import written_whole
from relay.config import Config, load
from relay.config.models import SqliteLedger
from relay.config.server import Server
from relay.errors import ConfigError, RelayError
from relay.ledger.copying import at_rest, copy, verify
from relay.ledger.file import LedgerInUse

PATH = "/v1/ledger/backup"
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to call, not to listen at
DONE = """\
wrote {path}, {size:,.1f} MB, checked
It holds secrets (tokens, metadata, callback urls), for your eyes only: keep it as safe as the configuration."""


def run(
    *,
    destination: Path,
    force: bool,
    config: Path,
    environ: Mapping[str, str],
    url: str | None,
    api_key: str | None,
) -> int:
    """Raises RelayError: nothing was written."""
    if force:
        _refuse_ledger(destination)
    with written_whole(destination, force=force) as part:
        if url is None:
            _copy_configured(load(config, environ), part, api_key)
        else:
            _fetch(url, api_key, part)
        verify(part)
    size = destination.stat().st_size / 1e6
    say(console(), DONE.format(path=destination, size=size))
    return 0


def _refuse_ledger(destination: Path) -> None:
    """What has a log beside it is at work, or was until a crash; with another file's log, the copy would be spoilt."""
    for suffix in ("-wal", ".lock"):
        beside = destination.with_name(destination.name + suffix)
        if beside.exists():
            raise ConfigError(f"{destination}: a relay works, or has worked, with this file ({beside}): name another")


def _copy_configured(config: Config, part: Path, api_key: str | None) -> None:
    """Of a relay that is stopped by ourselves, of one that runs by itself."""
    if not isinstance(config.ledger, SqliteLedger):
        raise ConfigError("ledger.kind: kafka keeps its copies by itself: there is no file to back up")
    try:
        with at_rest(Path(config.ledger.path)) as source:
            copy(source, part, _go_on)
    except LedgerInUse:
        _fetch(address_of(config.server), api_key or admin_key(config.server), part)


def _go_on() -> None:
    """Nobody else waits."""


def address_of(server: Server) -> str:
    """Where the relay of this configuration is called. Raises ConfigError: nobody knows."""
    listen = server.listen
    if not listen.port:
        raise ConfigError("server.listen: relay chose its port by itself; say where it is with --url")
    return f"http://{replace(listen, host=WILDCARDS.get(listen.host, listen.host))}"


def admin_key(server: Server) -> str | None:
    """One that may do everything."""
    keys = (key for key in server.api_keys if "admin" in key.scopes and "*" in key.accounts)
    return next((key.key.get_secret_value() for key in keys), None)


def _fetch(url: str, api_key: str | None, part: Path) -> None:
    async def fetch() -> None:
        async with open_session(api_key) as session:
            with part.open("wb") as file:
                await Caller(session, url).download(PATH, file)

    try:
        with advising():
            process.run(fetch())
    except OSError as error:
        raise RelayError(f"{part}: cannot be written: {error.strerror or error}") from error
