"""A webhook sink and what it may meet: receivers that play any answer, peers that speak as they like, proxies."""

import asyncio
import socket
import time
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer

from relay.core.events import render
from relay.core.job import TrackRequest
from relay.core.observe import give_up, track
from relay.core.signing import signer
from relay.core.webhook import Webhook
from relay.sinks.guard import guarded_session
from relay.sinks.webhook import WebhookSink

SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LOST = give_up(
    track(TrackRequest(account="acme", id="V3-1", traceparent=TRACEPARENT), 1_770_105_600.0), 1_770_105_900.0
)
EVENT = render(LOST, LOST.events[-1], "https://acme.zendesk.com/api/v2/job_statuses")


@asynccontextmanager
async def sink_to(url, *, secrets=SECRETS, allow_private=True, timeout_seconds=5.0, tls=None, resolver=None, **fields):
    """`fields`: further ones of the webhook."""
    webhook = Webhook(
        name="orders",
        url=str(url),
        secrets=tuple(map(signer, secrets)),
        timeout_seconds=timeout_seconds,
        allow_private=allow_private,
        **fields,
    )
    session = guarded_session(allow_private=allow_private, proxied=webhook.proxy is not None, resolver=resolver)
    sink = WebhookSink(webhook, session=session, system_clock=time.time, tls=tls)
    try:
        yield sink
    finally:
        await sink.close()


async def send_to(url, **sink):
    async with sink_to(url, **sink) as orders:
        return await sent(orders)


async def sent(sink, event=EVENT):
    return await sink.send(sink.prepare(event))


async def taken(request):
    """An answer for `receiver`."""
    return web.Response(status=204)


@asynccontextmanager
async def receiver(answer=taken, *, tls=None, **server):
    """An HTTP server that answers every request with `answer(request)`; yields its URL and what it got."""
    got = []

    async def handle(request):
        got.append((request, await request.read()))
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    running = TestServer(application, scheme="http" if tls is None else "https", **server)
    await running.start_server(ssl=tls)
    try:
        yield running.make_url("/hook"), got
    finally:
        await running.close()


@asynccontextmanager
async def peer(talk, **server):
    """A TCP server that speaks as it likes; yields its port."""
    talking = set()

    async def serve(reader, writer):
        talking.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, **server)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await listening.wait_closed()


def endless(head, chunk, pause=0.0):
    """A peer that answers with `head` and then with `chunk` until nobody listens."""

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)

    return talk


@asynccontextmanager
async def proxy(leads_to=None, *, status="200 Connection established", tls=None):
    """A proxy that takes every host for the port `leads_to` of loopback; yields its port and the heads it was sent."""
    heads = []

    async def talk(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode("ascii"))
        writer.write(f"HTTP/1.1 {status}\r\n".encode())
        if not heads[-1].startswith("CONNECT ") or not status.startswith("200"):
            writer.write(b"content-length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", leads_to)
        async with asyncio.TaskGroup() as both:
            both.create_task(pump(reader, back))
            both.create_task(pump(there, writer))

    async with peer(talk, ssl=tls) as port:
        yield port, heads


async def pump(reader, writer):
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Resolver(AbstractResolver):
    """Answers each look-up with the next list of addresses, and then ever the last. `asked`: for what."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in addresses
        ]

    async def close(self):
        """Nothing is held."""
