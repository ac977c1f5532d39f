"""The calls about sinks: how they stand, and what a person does about them."""

import math
from typing import NotRequired

from aiohttp import web
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from relay.errors import UnknownSink
from relay.intake import Sinks, sink_views
from relay.intake.access import Access
from relay.intake.calls import JSON_NOW
from relay.intake.decoding import decode
from relay.intake.gate import Gate, Submission
from relay.intake.keys import Scope
from relay.intake.problems import Code, Fault, Problem, invalid
from relay.intake.queries import Moment
from relay.intake.receiving import body_of
from relay.intake.validation import faults


@with_config(ConfigDict(extra="forbid"))
class Span(TypedDict):
    """What became owed from `since` until before `until`; without that: until now."""

    since: Moment
    until: NotRequired[Moment | None]


SPAN = TypeAdapter(Span)


class SinkCalls:
    def __init__(self, *, sinks: Sinks, access: Access, gate: Gate) -> None:
        self._sinks = sinks
        self._access = access
        self._gate = gate

    async def list(self, request: web.Request) -> web.Response:
        """GET /v1/sinks: all of them, whatever accounts the caller sees."""
        self._access.caller(request, Scope.READ, Scope.ADMIN)
        return web.Response(body=sink_views.sinks(await self._sinks.standing()), headers=JSON_NOW)

    async def pause(self, request: web.Request) -> web.Response:
        """POST /v1/sinks/{name}/pause: how it stands then."""
        name = self._name(request)
        await self._sinks.pause(name)
        return await self._one(name)

    async def resume(self, request: web.Request) -> web.Response:
        """POST /v1/sinks/{name}/resume: how it stands then."""
        name = self._name(request)
        await self._sinks.resume(name)
        return await self._one(name)

    async def test(self, request: web.Request) -> web.Response:
        """POST /v1/sinks/{name}/test: how one attempt went, which may take as long as the sink's timeout."""
        attempt = await self._sinks.test(self._name(request))
        return web.Response(body=sink_views.trial_result(attempt), headers=JSON_NOW)

    async def recover(self, request: web.Request) -> web.Response:
        """POST /v1/sinks/{name}/recover: how many dead deliveries are owed again."""
        name = self._name(request)
        with Submission(self._gate) as submission:
            since, until = _span(await body_of(request, submission, self._gate.bounds))
            count = await self._sinks.recover(name, since, until)
        return web.Response(body=sink_views.recovered(count), headers=JSON_NOW)

    def _name(self, request: web.Request) -> str:
        """The sink that is to be changed. Raises Problem 401 or 403, and Unavailable."""
        caller = self._access.caller(request, Scope.ADMIN)
        if not caller.sees_all:
            detail = f"a sink serves every account; the key {caller.name} is for some of them"
            raise Problem(403, Code.FORBIDDEN, detail)
        self._gate.check_open()
        return request.match_info["name"]

    async def _one(self, name: str) -> web.Response:
        for standing in await self._sinks.standing():
            if standing.name == name:
                return web.Response(body=sink_views.sink(standing), headers=JSON_NOW)
        raise UnknownSink(name)


def _span(raw: bytes) -> tuple[float, float]:
    """Raises Problem 400 or 422."""
    try:
        span = SPAN.validate_python(decode(raw))
    except ValidationError as error:
        raise invalid(list(faults(error, tuple(Span.__annotations__), None, ""))) from None
    since, until = span["since"], span.get("until")
    if until is None:
        return since, math.inf
    if until <= since:
        raise invalid([Fault(index=None, pointer="/until", code=Code.INVALID_FIELD, detail="until: not after since")])
    return since, until
