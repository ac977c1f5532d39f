"""`relay receive`: an endpoint for trying webhooks. It verifies what comes and prints it, until a signal ends it."""

import time
from collections.abc import Sequence

import orjson
from aiohttp import web
from rich.console import Console

from relay.app import process
from relay.app.commands.secret import fresh_secret
from relay.app.event_line import event_line
from relay.app.terminal import COLOURS, console, say
from relay.config.addresses import ListenAddress
from relay.core.signing import PUBLIC_KEY_PREFIX, SecretError, Verifier, verifier
from relay.errors import ConfigError
from relay.sinks.receive import receiver_application

STARTED = """\
waiting for webhooks on {url}   (Ctrl-C ends it)

to send it events, add to `sinks` in config.yaml:

  - name: receiver
    kind: webhook
    url: {url}/
    events: ["*"]
    allow_http: true
    allow_private: true
    secrets: ["{secret}"]
"""
GIVEN, OTHER_HALF = "${RELAY_WEBHOOK_SECRET}", "whsk_…"


def run(*, host: str, port: int, secrets: Sequence[str], as_json: bool, environment_secret: str | None) -> int:
    """Raises ConfigError: not a secret, or an address that is taken."""
    given = secrets or [secret for secret in [environment_secret] if secret]
    fresh = fresh_secret()
    out, notices = console(), console(errors=as_json)
    application = receiver_application(
        [_parsed(text) for text in given or [fresh]],
        on_event=lambda event: say(out, orjson.dumps(event).decode() if as_json else event_line(event)),
        on_refusal=lambda why: say(notices, ("refused", COLOURS["refused"]), f" {why}"),
        system_clock=time.time,
    )
    process.run_until_signal(_receive(application, host, port, notices, _shown(given) or fresh))
    return 0


def _shown(given: Sequence[str]) -> str | None:
    """What stands for a secret that was given: it is known to the user, and stays unsaid."""
    if not given:
        return None
    return OTHER_HALF if given[0].startswith(PUBLIC_KEY_PREFIX) else GIVEN


def _parsed(text: str) -> Verifier:
    try:
        return verifier(text)
    except SecretError as error:
        raise ConfigError(f"--secret: {error}; `relay secret` prints one") from None


async def _receive(application: web.Application, host: str, port: int, notices: Console, shown_secret: str) -> None:
    stop = process.stop_signal()
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        url = f"http://{ListenAddress(host=host, port=runner.addresses[0][1])}"
        say(notices, STARTED.format(url=url, secret=shown_secret))
        await stop.wait()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from error
    finally:
        await runner.cleanup()
