"""Zendesk at the least cost, so that who asks it is the limit: the simulator's own work would hide the client's.

    python tests/bench/lean.py PORT

Every job that is asked for is at work and never moves. Replies have the headers and the form that the simulator's
have.
"""

import asyncio
import sys
from typing import Protocol

import orjson
import uvloop
from bench.samples import job_status

END_OF_HEAD = b"\r\n\r\n"
HEAD = (
    b"HTTP/1.1 200 OK\r\nX-Rate-Limit: 100000\r\nX-Rate-Limit-Remaining: 100000\r\nratelimit-limit: 100000\r\n"
    b"ratelimit-remaining: 100000\r\nratelimit-reset: 60\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: lean\r\n\r\n"
)
STATUS = job_status(0, progress=10)
BEFORE_ID, _, AFTER_ID = orjson.dumps(STATUS).partition(orjson.dumps(STATUS["id"]))


class Zendesk:
    @staticmethod
    def answer(target: bytes) -> bytes:
        ids = target.partition(b"?ids=")[2].split(b",")
        return b'{"job_statuses":[%b]}' % b",".join(BEFORE_ID + b'"%b"' % one + AFTER_ID for one in ids)


class Answering(Protocol):
    def answer(self, target: bytes) -> bytes:
        """The body of the answer to a target."""


class Connection(asyncio.Protocol):
    def __init__(self, zendesk: Answering) -> None:
        self._zendesk = zendesk
        self._rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(END_OF_HEAD)
        for head in heads:
            body = self._zendesk.answer(head.split(b" ", 2)[1])
            self._transport.write(HEAD % len(body) + body)


def serve(zendesk: Answering) -> None:
    """At the port that the command line names, until it is killed."""

    async def forever() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(zendesk), "127.0.0.1", int(sys.argv[1]))
        await server.serve_forever()

    uvloop.run(forever())


if __name__ == "__main__":
    serve(Zendesk())
