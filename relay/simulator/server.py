"""The HTTP face: carries requests to the model and its replies back over the wire, broken ones included."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET

from aiohttp import web

from relay.simulator.answer import Answer, Request
from relay.simulator.control import PREFIX, control
from relay.simulator.model import Simulator

BODY_BYTES_MAX = 4 * 1024 * 1024
SHUTDOWN_SECONDS = 1.0
DRIPS = 100
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def application(simulator: Simulator, *, now: Callable[[], float] = time.time) -> web.Application:
    """An aiohttp application that speaks for the simulator. `now`: seconds since the epoch."""

    async def handle(incoming: web.Request) -> web.StreamResponse:
        request = await _read(incoming)
        if request.path.startswith(PREFIX):
            return await _send(incoming, control(simulator, request, now()))
        reply = simulator.answer(request, now())
        return await _send(incoming, reply) if isinstance(reply, Answer) else _reset(incoming)

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


@asynccontextmanager
async def serve(
    simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0, now: Callable[[], float] = time.time
) -> AsyncIterator[int]:
    """Listen while the context lasts. Yields the port, chosen by the system where `port` is 0.

    Raises OSError: the address is taken or not ours.
    """
    runner = web.AppRunner(application(simulator, now=now), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _read(incoming: web.Request) -> Request:
    return Request(
        method=incoming.method,
        path=incoming.path,
        query=incoming.query,
        authorization=incoming.headers.get("Authorization"),
        body=await incoming.read() if incoming.can_read_body else b"",
        base_url=f"{incoming.scheme}://{incoming.host}",
    )


async def _send(incoming: web.Request, answer: Answer) -> web.StreamResponse:
    if answer.delay_seconds:
        await asyncio.sleep(answer.delay_seconds)
    headers = {**answer.headers, "Content-Type": answer.content_type}
    if answer.cut_after is None and not answer.drip_seconds:
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    return await _send_part(incoming, answer, headers)


async def _send_part(incoming: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(incoming)
    if answer.drip_seconds:
        await _drip(response, answer)
        return response
    await response.write(answer.body[: answer.cut_after])
    if incoming.transport is not None:
        incoming.transport.close()
    return response


async def _drip(response: web.StreamResponse, answer: Answer) -> None:
    """A few bytes at a time, evenly over the whole time. A caller who has left ends it."""
    size = max(1, -(-len(answer.body) // DRIPS))
    with suppress(ConnectionResetError):
        for start in range(0, len(answer.body), size):
            await asyncio.sleep(answer.drip_seconds / DRIPS)
            await response.write(answer.body[start : start + size])


def _reset(incoming: web.Request) -> web.StreamResponse:
    if incoming.transport is not None:
        incoming.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
        incoming.transport.abort()
    return web.Response()
