"""The HTTP face: routes, and one place where every error becomes a problem document."""

import logging
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from relay.errors import CursorExpired, LedgerError, Reason, Unavailable, UnknownSink
from relay.intake.account_calls import AccountCalls
from relay.intake.calls import JobCalls
from relay.intake.delivery_calls import DeliveryCalls
from relay.intake.event_calls import EventCalls
from relay.intake.gate import Bounds
from relay.intake.ledger_calls import LedgerCalls
from relay.intake.openapi import describe
from relay.intake.probes import Probes
from relay.intake.problems import CONTENT_TYPE, Code, Problem, unavailable
from relay.intake.receiving import wait_for_invitation
from relay.intake.sink_calls import SinkCalls

log = logging.getLogger(__name__)

Route = tuple[str, str, Handler]
ANYWHERE = "/{anywhere:.*}"
# The closed list has no word for a bug. This one tells the client what matters: it may not be recorded, try again.
BUG = Problem(500, Code.LEDGER_UNAVAILABLE, "relay failed at this call, and its log says why; nothing is promised")
EXPIRED = Problem(410, Code.CURSOR_EXPIRED, "events after it may be forgotten; begin without it, or with `since`")
NO_SUCH_SINK = Problem(404, Code.NOT_FOUND, "no such sink; /v1/sinks lists them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """All that the API does, by what it is about."""

    jobs: JobCalls
    events: EventCalls
    accounts: AccountCalls
    sinks: SinkCalls
    deliveries: DeliveryCalls
    ledger: LedgerCalls


def api(*, calls: Calls, probes: Probes, with_metrics: bool = True) -> web.Application:
    """The whole API. `with_metrics` False: /metrics is served elsewhere, by `operations`."""
    return _application(
        ("POST", "/v1/jobs", calls.jobs.submit),
        ("GET", "/v1/jobs", calls.jobs.list),
        ("GET", "/v1/jobs/{account}/{id}", calls.jobs.read),
        ("DELETE", "/v1/jobs/{account}/{id}", calls.jobs.delete),
        ("GET", "/v1/events", calls.events.read),
        ("GET", "/v1/accounts", calls.accounts.list),
        ("GET", "/v1/sinks", calls.sinks.list),
        ("POST", "/v1/sinks/{name}/pause", calls.sinks.pause),
        ("POST", "/v1/sinks/{name}/resume", calls.sinks.resume),
        ("POST", "/v1/sinks/{name}/test", calls.sinks.test),
        ("POST", "/v1/sinks/{name}/recover", calls.sinks.recover),
        ("GET", "/v1/deliveries", calls.deliveries.list),
        ("POST", "/v1/deliveries/{id}/retry", calls.deliveries.retry),
        ("GET", "/v1/ledger/backup", calls.ledger.back_up),
        ("GET", "/openapi.json", _description(with_metrics=with_metrics)),
        *_operations(probes, with_metrics=with_metrics),
    )


def operations(*, probes: Probes) -> web.Application:
    """Health and metrics, for an address of their own."""
    return _application(*_operations(probes, with_metrics=True))


def waiting_room(*, probes: Probes, with_metrics: bool) -> web.Application:
    """Health, and for every other call: not yet."""
    return _application(*_operations(probes, with_metrics=with_metrics), elsewhere=_not_yet)


def _operations(probes: Probes, *, with_metrics: bool) -> list[Route]:
    health: list[Route] = [("GET", "/livez", probes.live), ("GET", "/readyz", probes.ready)]
    return [*health, ("GET", "/metrics", probes.metrics)] if with_metrics else health


def _application(*routes: Route, elsewhere: Handler | None = None) -> web.Application:
    app = web.Application()
    for method, path, handler in routes:
        app.router.add_route(method, path, _answering(handler), expect_handler=wait_for_invitation)
        if method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, path, _answering(handler), expect_handler=wait_for_invitation)
    otherwise = _answering(elsewhere or _no_such_call)
    app.router.add_route(hdrs.METH_ANY, ANYWHERE, otherwise, expect_handler=wait_for_invitation)
    return app


def runner(app: web.Application, bounds: Bounds) -> web.AppRunner:
    """What serves an application: a client who goes away cancels its call, and idle connections are closed."""
    logger = log.getChild("connection")
    logger.addFilter(_not_the_peers_mistake)
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        keepalive_timeout=bounds.idle_seconds,  # a head that does not come counts as idle, too
        logger=logger,
        shutdown_timeout=bounds.drain_seconds,
    )


def _description(*, with_metrics: bool) -> Handler:
    document = describe(with_metrics=with_metrics)

    async def description(_: web.Request) -> web.Response:
        return web.Response(body=document, headers={hdrs.CONTENT_TYPE: "application/json"})

    return description


def _answering(handler: Handler) -> Handler:
    """Every error becomes an answer here. What is not expected is a bug: logged, and not shown.

    Around each handler, since a middleware makes aiohttp put two more coroutines around every call.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            return _response(problem)
        except (Unavailable, LedgerError) as error:
            return _response(unavailable(error))
        except CursorExpired:
            return _response(EXPIRED)
        except UnknownSink:
            return _response(NO_SUCH_SINK)
        except ConnectionError:
            raise  # the client went away
        except Exception:
            log.exception("intake.http.failed", extra={"method": request.method, "route": _route(request)})
            return _response(BUG)

    return answer


async def _not_yet(_: web.Request) -> web.Response:
    raise Unavailable(Reason.LEDGER_UNAVAILABLE, "relay waits for the ledger", 5.0)


async def _no_such_call(request: web.Request) -> web.Response:
    """Where no route fits: 404, or 405 with what the path takes. OPTIONS is told the latter as an answer."""
    allowed = await _methods(request)
    if not allowed:
        raise Problem(404, Code.NOT_FOUND, "there is no such path; /openapi.json lists what there is")
    headers: dict[str, str] = {hdrs.ALLOW: ", ".join(sorted(allowed | {hdrs.METH_OPTIONS}))}
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=204, headers=headers)
    raise Problem(405, Code.NOT_FOUND, f"this path does not take {request.method[:16]}", headers=headers)


async def _methods(request: web.Request) -> set[str]:
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        _, methods = await resource.resolve(request)
        allowed |= methods
    return allowed - {hdrs.METH_ANY}


def _response(problem: Problem) -> web.Response:
    headers = {hdrs.CONTENT_TYPE: CONTENT_TYPE, hdrs.CACHE_CONTROL: "no-store", **problem.headers}
    return web.Response(status=problem.status, body=problem.document(), headers=headers)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _not_the_peers_mistake(record: logging.LogRecord) -> bool:
    """A malformed request has been answered; the traceback that aiohttp logs of each is no news of ours."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)
