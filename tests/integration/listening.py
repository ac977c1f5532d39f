"""A reader of live events, as strict about the format as a browser is."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event. `data`: as it came."""

    id: str
    type: str
    data: bytes

    @property
    def event(self) -> dict[str, Any]:
        return orjson.loads(self.data)

    @property
    def job_id(self) -> str:
        return self.event["subject"]


@dataclass(slots=True)
class Listener:
    """`last_id`: from where on to come back. `comments`: what no reader is told of."""

    response: aiohttp.ClientResponse
    last_id: str = ""
    retry: int | None = None
    told: list[Told] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    async def events(self) -> AsyncIterator[Told]:
        """As they come, until the stream ends or breaks."""
        with suppress(EOFError):
            while True:
                told = await self.block()
                if told is not None:
                    self.told.append(told)
                    yield told

    async def block(self) -> Told | None:
        """What comes until the next empty line; None: nothing that a reader is told of. Raises EOFError."""
        kind, data = "message", list[bytes]()
        while (line := await self._line()) != b"\n":
            name, _, value = line.rstrip(b"\n").partition(b": ")
            match name:
                case b"":
                    self.comments.append(value.decode())
                case b"id":
                    self.last_id = value.decode()
                case b"retry":
                    self.retry = int(value)
                case b"event":
                    kind = value.decode()
                case b"data":
                    data.append(value)
        return Told(id=self.last_id, type=kind, data=b"\n".join(data)) if data else None

    async def _line(self) -> bytes:
        try:
            line = await self.response.content.readuntil(b"\n")
        except aiohttp.ClientError as error:
            raise EOFError from error
        if not line.endswith(b"\n"):
            raise EOFError
        return line

    async def take(self, count: int, seconds: float = 10.0) -> list[Told]:
        """The next events, in time."""
        taken: list[Told] = []
        async with asyncio.timeout(seconds):
            while len(taken) < count:
                told = await self.block()
                if told is not None:
                    taken.append(told)
        self.told += taken
        return taken

    async def ended(self, seconds: float = 10.0) -> list[Told]:
        """All that still comes, once the stream has ended."""
        async with asyncio.timeout(seconds):
            return [told async for told in self.events()]


@asynccontextmanager
async def listening(
    session: aiohttp.ClientSession, url: str, *, headers: Mapping[str, str] | None = None, **query: str
) -> AsyncIterator[Listener]:
    """A stream that has been opened."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
    async with session.get(
        f"{url}/v1/events", headers=STREAM | dict(headers or {}), params=query, timeout=timeout
    ) as response:
        assert response.status == 200, await response.text()
        listener = Listener(response)
        assert await listener.block() is None
        assert listener.retry
        yield listener
