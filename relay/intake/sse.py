"""Server-Sent Events on the wire: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio

from aiohttp import hdrs, web

from relay.errors import RelayError
from relay.intake.gate import Gate
from relay.intake.negotiation import EVENT_STREAM

HEADERS = {
    hdrs.CONTENT_TYPE: EVENT_STREAM,
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",  # or nginx holds events back until it has a few kilobytes
}
RETRY_MILLISECONDS = 2_000
LINGER_SECONDS = 5.0
BUFFER_BYTES = 64 << 10  # from which on event loops let writers wait


class Stalled(RelayError):  # noqa: N818 - says what it is
    """The reader does not take what it is sent."""


def event(cursor: str, kind: str, data: bytes) -> bytes:
    """`data`: without line breaks, as JSON is."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), kind.encode(), data)


def opening(cursor: str) -> bytes:
    """What comes first: when to come back, and from where on. Nothing that a reader is told of."""
    return b"retry: %d\nid: %b\n\n" % (RETRY_MILLISECONDS, cursor.encode())


def comment(text: str, cursor: str | None = None) -> bytes:
    """What no reader is told of. `cursor`: from where on to come back."""
    return b": %b\n%b\n" % (text.encode(), b"" if cursor is None else b"id: %b\n" % cursor.encode())


class Stream:
    """The answer to one reader: `open`, `send` any number of times, `end`.

    Any call may raise ConnectionError: the reader has gone.
    """

    def __init__(self, request: web.Request, gate: Gate) -> None:
        self._request = request
        self._gate = gate
        self._response = web.StreamResponse(headers=HEADERS)
        self._response.force_close()  # whoever comes back may then be sent to another relay
        self._stalled = False

    async def open(self) -> None:
        await self._response.prepare(self._request)

    async def send(self, data: bytes) -> None:
        """Returns when there is room for more. Raises Stalled."""
        if self._fits(data):
            await self._response.write(data)
        elif not self._gate.draining:
            await self._send_in_time(data)

    def _fits(self, data: bytes) -> bool:
        """Whether it will not have to be waited for."""
        transport = self._request.transport
        return transport is None or transport.get_write_buffer_size() + len(data) < BUFFER_BYTES

    async def _send_in_time(self, data: bytes) -> None:
        done = False

        async def write() -> None:
            nonlocal done
            await self._response.write(data)
            done = True

        await self._gate.rest(write, self._gate.bounds.stream_stalled_seconds)
        if not done and not self._gate.draining:
            self._stalled = True
            raise Stalled

    async def end(self, why: str) -> web.StreamResponse:
        """Say why, and give the reader a few seconds to hear it. What to return from the handler."""
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._abort)
        await self._response.write(comment(why))
        if self._stalled and self._request.transport is not None:
            self._request.transport.close()  # once the buffer is sent; aiohttp would wait for that
        return self._response

    def _abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()
