"""The calls about deliveries: what sinks are owed, and what could not be delivered. What belongs to an account that the
caller does not see does not exist.
"""

from collections.abc import Sequence

from aiohttp import web

from relay.core.delivery import Delivery, DeliveryKey, DeliveryState
from relay.core.job import Job
from relay.core.record import DeliveryFilter
from relay.intake import Sinks, queries, sink_views
from relay.intake.access import Access
from relay.intake.bodies import href
from relay.intake.calls import JSON_NOW
from relay.intake.gate import Gate
from relay.intake.keys import Caller, Scope
from relay.intake.opaque import read_delivery_id
from relay.intake.problems import Code, Problem


class DeliveryCalls:
    def __init__(self, *, sinks: Sinks, access: Access, gate: Gate) -> None:
        self._sinks = sinks
        self._access = access
        self._gate = gate

    async def list(self, request: web.Request) -> web.Response:
        """GET /v1/deliveries: one page."""
        caller = self._access.caller(request, Scope.ADMIN)
        query = queries.read(queries.DeliveryQuery, request.query.items())
        wanted = DeliveryFilter(state=DeliveryState(query.state), sink=query.sink, since=query.since, until=query.until)
        rows = await self._rows(caller, wanted, query.cursor, query.limit + 1)  # one more tells of a next page
        shown = rows[: query.limit]
        end = shown[-1][0].key if len(rows) > len(shown) else None
        return web.Response(body=sink_views.deliveries(shown, end), headers=JSON_NOW)

    async def _rows(
        self, caller: Caller, wanted: DeliveryFilter, after: DeliveryKey | None, count: int
    ) -> Sequence[tuple[Delivery, Job]]:
        """As many that the caller sees, unless there are fewer."""
        found: list[tuple[Delivery, Job]] = []
        while len(found) < count:
            page = await self._sinks.deliveries(wanted, after, count)
            found += [row for row in page if caller.sees(row[0].account)]
            if len(page) < count:
                break
            after = page[-1][0].key
        return found

    async def retry(self, request: web.Request) -> web.Response:
        """POST /v1/deliveries/{id}/retry: it is due at once."""
        caller = self._access.caller(request, Scope.ADMIN)
        key = _key(request)
        self._gate.check_open()
        if not caller.sees(key.account) or not await self._sinks.retry(key):
            raise _no_such_delivery()
        body = sink_views.retried(key, href(key.account, key.job_id))
        return web.Response(status=202, body=body, headers=JSON_NOW)


def _key(request: web.Request) -> DeliveryKey:
    try:
        return read_delivery_id(request.match_info["id"])
    except ValueError:
        raise _no_such_delivery() from None


def _no_such_delivery() -> Problem:
    return Problem(404, Code.NOT_FOUND, "no such delivery; its job may be forgotten by now")
