"""One reader of live events, from the first page to the farewell."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

from msgspec.structs import replace

from relay.core.place import Place, PlacedPage
from relay.core.record import EventFilter
from relay.errors import CursorExpired, LedgerError
from relay.intake import Events, sse
from relay.intake.gate import Gate
from relay.intake.opaque import write_place
from relay.intake.problems import Problem
from relay.intake.rendering import Rendered

PAGE = 25  # as many are held for a reader who does not keep up
WRITE_BYTES = 64 << 10
LEDGER_PAUSE_SECONDS = 1.0

DRAINING = "relay is shutting down; come back"
STALLED = "too slow; come back and go on from the last id"
EXPIRED = "so far behind that events are forgotten"


class Reading:
    """`wanted`: what the reader may see and asks for, at this moment; raises Problem where that is nothing any more.

    `page`: the first, of what lies beyond the reader's place.
    """

    def __init__(
        self, *, events: Events, rendered: Rendered, gate: Gate, wanted: Callable[[], EventFilter], page: PlacedPage
    ) -> None:
        self._events = events
        self._rendered = rendered
        self._gate = gate
        self._wanted = wanted
        self._page = page
        self._told: Place = ()  # of which the reader knows
        self._speak_at = 0.0  # event loop's time

    async def run(self, stream: sse.Stream, after: Place) -> str:
        """Send what there is and what comes, until it has to end; why it ends."""
        try:
            await self._send(stream, sse.opening(write_place(after)), after)
            while not self._gate.draining:
                await self._send_page(stream)
                if not self._page.more:
                    await self._rest()
                await self._speak(stream)
                await self._turn()
        except sse.Stalled:
            return STALLED
        except CursorExpired:
            return EXPIRED
        except Problem as problem:
            return problem.detail
        return DRAINING

    async def _send_page(self, stream: sse.Stream) -> None:
        for data, place in self._written():
            await self._send(stream, data, place)

    def _written(self) -> Iterator[tuple[bytes, Place]]:
        """The page in pieces, each with the place after its last event."""
        piece = bytearray()
        for placed in self._page.events:
            piece += self._rendered.live(placed)
            if len(piece) >= WRITE_BYTES or placed is self._page.events[-1]:
                yield bytes(piece), placed.place
                piece.clear()

    async def _send(self, stream: sse.Stream, data: bytes, place: Place) -> None:
        await stream.send(data)
        self._told = place
        self._speak_at = asyncio.get_running_loop().time() + self._gate.bounds.stream_quiet_seconds

    async def _rest(self) -> None:
        """Until there is more, or it is time for a sign of life."""
        seconds = self._speak_at - asyncio.get_running_loop().time()
        await self._gate.rest(partial(self._events.wait, self._page.reached), max(0.0, seconds))

    async def _speak(self, stream: sse.Stream) -> None:
        """A sign of life, if it is time for one; who hears of little is told of the place that is reached."""
        reached = self._page.reached
        if asyncio.get_running_loop().time() >= self._speak_at:
            moved = write_place(reached) if reached != self._told else None
            await self._send(stream, sse.comment("still here", moved), reached)

    async def _turn(self) -> None:
        """On to the next page; an outage of the ledger is sat out."""
        try:
            self._page = await self._events.page(self._wanted(), self._page.reached, PAGE)
        except LedgerError:
            self._page = replace(self._page, events=(), more=False)
            await self._gate.rest(partial(asyncio.sleep, LEDGER_PAUSE_SECONDS), LEDGER_PAUSE_SECONDS)
