"""What the demo runs on, in one process: a stand-in for Zendesk, a receiver of webhooks, and relay itself."""

import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from relay.app.commands.secret import fresh_secret
from relay.app.service import Service, running
from relay.config import load
from relay.core.signing import Secret
from relay.core.zendesk import Endpoint
from relay.ops.logging import configure
from relay.simulator import SCENARIOS, Simulator, serve
from relay.sinks.receive import receiver_application

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
RELAY_PORT, SIMULATOR_PORT, RECEIVER_PORT = 8080, 8090, 8085  # others are taken where these are in use
CEILING = 120
POLLS = frozenset(endpoint.value for endpoint in Endpoint)

CONFIG = """\
# What `relay demo` runs: a configuration as `relay serve` takes it. RELAY_DATA is this folder.
server:
  listen: {host}:{relay_port}
accounts:
  - name: demo
    base_url: {simulator_url}
    allow_http: true
    auth: {{kind: bearer, token: demo}}
    rate: {{max_requests_per_minute: {ceiling}, share: 0.5}}
polling: {{fresh_within_seconds: 1}}
ledger: {{kind: sqlite, path: "${{RELAY_DATA}}/relay.db"}}
sinks:
  - name: receiver
    kind: webhook
    url: {receiver_url}/
    events: ["*"]
    allow_http: true
    allow_private: true
    secrets: ["{secret}"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All of it runs. The urls are without a slash at the end."""

    relay_url: str
    simulator_url: str
    simulator: Simulator
    service: Service

    def asked(self, since: float = 0.0) -> int:
        """How many requests for job statuses reached the stand-in since then (seconds since the epoch)."""
        recent = takewhile(lambda record: record.at >= since, reversed(self.simulator.requests))
        return sum(record.call in POLLS for record in recent)


@asynccontextmanager
async def stage(
    *, seed: int, folder: Path, log_file: TextIO, on_event: Callable[[Mapping[str, Any]], None]
) -> AsyncIterator[Stage]:
    """`folder`: where configuration and ledger are kept. `on_event`: gets what the receiver has verified."""
    simulator = Simulator(seed=seed, scenario=SCENARIOS["demo"])
    secret = fresh_secret()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve(simulator, host=HOST, port=free_port(SIMULATOR_PORT)))
        simulator_url = f"http://{HOST}:{port}"
        receiver_url = await _receive(stack, secret, on_event)
        path = folder / "config.yaml"
        path.write_text(
            CONFIG.format(
                host=HOST,
                relay_port=free_port(RELAY_PORT),
                simulator_url=simulator_url,
                receiver_url=receiver_url,
                ceiling=CEILING,
                secret=secret,
            ),
            encoding="utf-8",
        )
        config = load(path, {"RELAY_DATA": str(folder)})
        service_log = configure(style=config.log.format, level=config.log.level, stream=log_file)
        service = await stack.enter_async_context(running(config, log=service_log))
        yield Stage(
            relay_url="http://{}:{}".format(*service.address),
            simulator_url=simulator_url,
            simulator=simulator,
            service=service,
        )


async def _receive(stack: AsyncExitStack, secret: str, on_event: Callable[[Mapping[str, Any]], None]) -> str:
    """A receiver that verifies; its url."""
    application = receiver_application(
        [Secret.parse(secret)], on_event=on_event, on_refusal=log.error, system_clock=time.time
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, HOST, free_port(RECEIVER_PORT)).start()
    return f"http://{HOST}:{runner.addresses[0][1]}"


def free_port(wanted: int) -> int:
    """The port if it is free, else 0, for which the system chooses."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
        except OSError:
            return 0
    return wanted
