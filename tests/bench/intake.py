"""What the HTTP intake costs beside a bare aiohttp handler that parses and answers: CPU seconds of the server process.

    python tests/bench/intake.py

Nothing is recorded here: `track` answers at once, so that only parsing, checking and answering are measured.
"""

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection

import orjson
import uvloop
from aiohttp import web

from relay.intake.access import Access
from relay.intake.account_calls import AccountCalls
from relay.intake.accounts import Account, Directory
from relay.intake.calls import JobCalls
from relay.intake.delivery_calls import DeliveryCalls
from relay.intake.event_calls import EventCalls
from relay.intake.gate import Bounds, Gate
from relay.intake.http import Calls, api, runner
from relay.intake.keys import ApiKey, Caller, Keyring, Scope
from relay.intake.ledger_calls import LedgerCalls
from relay.intake.probes import Probes
from relay.intake.sink_calls import SinkCalls

CONNECTIONS, SECRET, ROUNDS = 16, "a-secret-of-the-usual-length-0123456789", 6
ITEM = {"job_status": {"id": "V3-%032x", "url": "https://acme.zendesk.com/api/v2/job_statuses/V3-%032x.json"}}


class Nothing:
    """No jobs, no counting, no faults."""

    async def track(self, requests):
        return [True] * len(requests)

    def intake_jobs(self, source, result, count): ...

    def intake_ack(self, seconds): ...

    def live(self):
        return []

    ready = source = live


async def bare(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    answer = orjson.dumps({"jobs": [{"result": "created"} for _ in body.get("jobs", [body])]})
    return web.Response(status=202, body=answer, content_type="application/json")


def bare_runner() -> web.AppRunner:
    app = web.Application()
    app.add_routes([web.post("/v1/jobs", bare)])
    return web.AppRunner(app, access_log=None)


def relay_runner() -> web.AppRunner:
    nothing, gate = Nothing(), Gate(Bounds())
    scopes = frozenset({Scope.SUBMIT})
    keys = [ApiKey.of(f"{SECRET}{n}", Caller(name=f"key{n}", scopes=scopes)) for n in range(3)]
    known = [Account(name=name, base_url=f"https://{name}.zendesk.com") for name in ("acme", "globex")]
    access = Access(keyring=Keyring(keys), directory=Directory(known))
    calls = Calls(
        jobs=JobCalls(jobs=nothing, access=access, gate=gate, observer=nothing, monotonic=time.monotonic),
        events=EventCalls(events=nothing, access=access, gate=gate),
        accounts=AccountCalls(accounts=nothing, access=access),
        sinks=SinkCalls(sinks=nothing, access=access, gate=gate),
        deliveries=DeliveryCalls(sinks=nothing, access=access, gate=gate),
        ledger=LedgerCalls(backups=None, access=access, gate=gate, log=nothing),
    )
    return runner(api(calls=calls, probes=Probes(health=nothing, gate=gate, metrics=None)), Bounds())


def serve(kind: str, pipe: Connection) -> None:
    async def main() -> None:
        served = {"bare": bare_runner, "relay": relay_runner}[kind]()
        await served.setup()
        await web.TCPSite(served, "127.0.0.1", 0).start()
        pipe.send(served.addresses[0][1])
        while await asyncio.to_thread(pipe.recv):
            pipe.send(time.process_time())
        await served.cleanup()

    uvloop.run(main())


def request_of(item_count: int) -> bytes:
    items = [orjson.loads(orjson.dumps(ITEM).replace(b"%032x", b"%032x" % n)) for n in range(item_count)]
    body = orjson.dumps(items[0] if item_count == 1 else {"jobs": items})
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {SECRET}1\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def load(port: int, request: bytes, count: int) -> None:
    """`count` requests over each connection. All answers have the length of the first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 202 " in head
    length = int(head.lower().split(b"content-length:")[1].split()[0])
    await reader.readexactly(length)
    for _ in range(count):
        writer.write(request)
        await reader.readexactly(len(head) + length)
    writer.close()


class Server:
    """A server process, and what it has used of the processor."""

    def __init__(self, kind: str) -> None:
        self._pipe, there = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=serve, args=(kind, there))
        self._process.start()
        self.port = self._pipe.recv()

    def cpu_seconds(self) -> float:
        self._pipe.send(True)
        return self._pipe.recv()

    def stop(self) -> None:
        self._pipe.send(False)
        self._process.join()


def cpu_of_a_round(server: Server, request: bytes, count: int) -> float:
    """Microseconds per request."""

    async def together() -> None:
        await asyncio.gather(*(load(server.port, request, count) for _ in range(CONNECTIONS)))

    before = server.cpu_seconds()
    uvloop.run(together())
    return (server.cpu_seconds() - before) / ((count + 1) * CONNECTIONS) * 1e6


def main() -> None:
    servers = [Server("bare"), Server("relay")]
    for items, count in ((1, 1000), (100, 50)):
        request = request_of(items)
        # The two take turns, so that whatever else the machine does meets both; the best round of each is told
        rounds = [[cpu_of_a_round(server, request, count) for server in servers] for _ in range(ROUNDS)]
        floor, ours = map(min, zip(*rounds, strict=True))
        print(
            f"{items:>4} jobs per request: bare {floor:8.1f} µs, relay {ours:8.1f} µs, ratio {ours / floor:.2f}, "
            f"{(ours - floor) / items:.1f} µs more per job"
        )
    for server in servers:
        server.stop()


if __name__ == "__main__":
    main()
