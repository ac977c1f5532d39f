"""A way to a broker that can be cut, also right before or after a request of one kind.

What the broker says of its own address is changed to the way's, so that clients stay on it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relay.kafka.connection import Connection

END_TXN = 26  # https://kafka.apache.org/protocol#protocol_api_keys
LENGTH_BYTES = 4


class Wire:
    """`port`: where clients come in."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._connections: set[asyncio.Task[None]] = set()
        self._cut_before: int | None = None
        self._cut_after: int | None = None
        self._is_cut = False
        self.port = 0

    @property
    def connection(self) -> Connection:
        """To the broker, this way."""
        return Connection(bootstrap_servers=(f"{self._host}:{self.port}",))

    def cut(self) -> None:
        """All connections end, and new ones end at once."""
        self._is_cut = True
        for connection in self._connections:
            connection.cancel()

    def cut_before(self, request: int) -> None:
        """As soon as a client sends such a request, which does not get through any more."""
        self._cut_before = request

    def cut_after(self, request: int) -> None:
        """As soon as a client sends such a request, which gets through; its answer does not."""
        self._cut_after = request

    def mend(self) -> None:
        self._is_cut, self._cut_before, self._cut_after = False, None, None

    @property
    def is_cut(self) -> bool:
        return self._is_cut

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                if not self._is_cut:
                    await self._join(reader, writer)
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(self._host, self._port)
        ways = [
            asyncio.create_task(self._requests(reader, broker_writer)),
            asyncio.create_task(self._answers(broker_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            # Not aborted: what was sent shall arrive.
            broker_writer.close()

    async def _requests(self, reader: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        while True:
            request = await _frame(reader)
            kind = int.from_bytes(request[LENGTH_BYTES : LENGTH_BYTES + 2], "big")
            if kind == self._cut_before:
                self.cut()
                return
            broker.write(request)
            await broker.drain()
            if kind == self._cut_after:
                self.cut()
                return

    async def _answers(self, broker: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told, instead = (self._host.encode() + port.to_bytes(4, "big") for port in (self._port, self.port))
        while True:
            writer.write((await _frame(broker)).replace(told, instead))
            await writer.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(LENGTH_BYTES)
    return length + await reader.readexactly(int.from_bytes(length, "big"))


@asynccontextmanager
async def wire_to(bootstrap: str) -> AsyncIterator[Wire]:
    """`bootstrap`: of a cluster that is one broker."""
    host, _, port = bootstrap.rpartition(":")
    wire = Wire(host, int(port))
    server = await asyncio.start_server(wire.connect, host, 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()
