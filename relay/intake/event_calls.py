"""The call about events: a page of what is recorded, or a stream that goes on."""

from aiohttp import hdrs, web

from relay.core.place import Place
from relay.core.record import EventFilter
from relay.intake import Events, event_views, queries, sse
from relay.intake.access import Access
from relay.intake.calls import JSON_NOW
from relay.intake.gate import Gate
from relay.intake.keys import Scope
from relay.intake.negotiation import wants_stream
from relay.intake.opaque import read_place
from relay.intake.problems import Code, Fault, invalid
from relay.intake.rendering import Rendered
from relay.intake.streaming import DRAINING, PAGE, Reading

READ_AT_ONCE = 100
PAGE_BYTES_MAX = 4 << 20


class EventCalls:
    def __init__(self, *, events: Events, access: Access, gate: Gate) -> None:
        self._events = events
        self._access = access
        self._gate = gate
        self._rendered = Rendered(events.source)

    async def read(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/events: a page, or live."""
        right = Right(self._access, request)
        if wants_stream(request.headers.get(hdrs.ACCEPT, "")):
            return await self._stream(request, right)
        return await self._page(right)

    async def _page(self, right: "Right") -> web.Response:
        query, wanted = right.query, right.wanted()
        after = await self._since(query.since) if query.cursor is None else query.cursor
        shown: list[bytes] = []
        size, full = 0, False
        while not full:
            page = await self._events.page(wanted, after, min(READ_AT_ONCE, query.limit - len(shown)))
            rendered = [self._rendered.body(placed.job, placed.event) for placed in page.events]
            shown += rendered
            size += sum(map(len, rendered))
            full = not page.more or len(shown) >= query.limit or size >= PAGE_BYTES_MAX
            after = page.reached
        return web.Response(body=event_views.page(shown, page.reached, more=page.more), headers=JSON_NOW)

    async def _since(self, moment: float | None) -> Place | None:
        return None if moment is None else await self._events.place_before(moment)

    async def _stream(self, request: web.Request, right: "Right") -> web.StreamResponse:
        stream = sse.Stream(request, self._gate)
        if self._gate.draining:  # a refusal would keep a browser from ever coming back
            await stream.open()
            return await stream.end(DRAINING)
        with self._gate.stream():
            after = await self._begin(request, right)
            page = await self._events.page(right.wanted(), after, PAGE)
            if request.method == hdrs.METH_HEAD:
                return web.Response(headers=sse.HEADERS)
            await stream.open()
            reading = Reading(
                events=self._events, rendered=self._rendered, gate=self._gate, wanted=right.wanted, page=page
            )
            return await stream.end(await reading.run(stream, after))

    async def _begin(self, request: web.Request, right: "Right") -> Place:
        """After which place to begin: where the reader was, or at the time it names, or now."""
        last = request.headers.get("Last-Event-ID")  # newer than the query, which a browser repeats as it was
        if last:
            return _place(last)
        if right.query.cursor is not None:
            return right.query.cursor
        since = await self._since(right.query.since)
        return await self._events.newest() if since is None else since


class Right:
    """What one reader asks for and may see; looked at anew when keys or accounts have been configured anew.

    Raises Problem, also when it is made.
    """

    def __init__(self, access: Access, request: web.Request) -> None:
        self._access = access
        self._request = request
        self._caller = access.caller(request, Scope.READ)
        self.query = queries.read(queries.EventQuery, request.query.items())
        self._basis = (access.keyring, access.directory)
        self._wanted = self._see()

    def wanted(self) -> EventFilter:
        basis = (self._access.keyring, self._access.directory)
        if basis != self._basis:
            self._caller = self._access.caller(self._request, Scope.READ)
            self._wanted, self._basis = self._see(), basis
        return self._wanted

    def _see(self) -> EventFilter:
        accounts = self._access.accounts(self._caller, self.query.account)
        return EventFilter(
            accounts=None if accounts is None else frozenset(accounts),
            job=self.query.job,
            types=self.query.type,
            since=self.query.since,
        )


def _place(last_event_id: str) -> Place:
    try:
        return read_place(last_event_id)
    except ValueError:
        detail = "Last-Event-ID: not an id that this stream gave"
        raise invalid([Fault(index=None, pointer=None, code=Code.INVALID_FIELD, detail=detail)]) from None
