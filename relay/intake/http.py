"""The HTTP face: routes, and one place where every error becomes a problem document."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from relay.errors import LedgerError, Unavailable
from relay.intake.calls import JobCalls
from relay.intake.gate import Bounds
from relay.intake.openapi import describe
from relay.intake.probes import Probes
from relay.intake.problems import CONTENT_TYPE, Code, Problem, unavailable
from relay.intake.receiving import wait_for_invitation

log = logging.getLogger(__name__)

CODES: Mapping[int, Code] = {
    404: Code.NOT_FOUND,
    405: Code.NOT_FOUND,
    413: Code.BODY_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
}
# The closed list has no word for a bug. This one tells the client what matters: it may not be recorded, try again.
BUG = Problem(500, Code.LEDGER_UNAVAILABLE, "relay failed at this call, and its log says why; nothing is promised")


def api(*, calls: JobCalls, probes: Probes, with_metrics: bool = True) -> web.Application:
    """The whole API. `with_metrics` False: /metrics is served elsewhere, by `operations`."""
    app = _application()
    app.add_routes(
        [
            web.post("/v1/jobs", calls.submit, expect_handler=wait_for_invitation),
            web.get("/v1/jobs", calls.list),
            web.get("/v1/jobs/{account}/{id}", calls.read),
            web.delete("/v1/jobs/{account}/{id}", calls.delete),
            web.get("/livez", probes.live),
            web.get("/readyz", probes.ready),
            web.get("/openapi.json", _description(with_metrics=with_metrics)),
        ]
    )
    if with_metrics:
        app.add_routes([web.get("/metrics", probes.metrics)])
    return app


def operations(*, probes: Probes) -> web.Application:
    """Health and metrics, for an address of their own."""
    app = _application()
    app.add_routes(
        [web.get("/livez", probes.live), web.get("/readyz", probes.ready), web.get("/metrics", probes.metrics)]
    )
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


def _application() -> web.Application:
    return web.Application(middlewares=[_answer])


def _description(*, with_metrics: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
    document = describe(with_metrics=with_metrics)

    async def description(_: web.Request) -> web.Response:
        return web.Response(body=document, headers={hdrs.CONTENT_TYPE: "application/json"})

    return description


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error becomes an answer here. What is not expected is a bug: logged, and not shown."""
    try:
        return await handler(request)
    except Problem as problem:
        return _response(problem)
    except (Unavailable, LedgerError) as error:
        return _response(unavailable(error))
    except web.HTTPMethodNotAllowed as error:
        allow = ", ".join(sorted({*error.allowed_methods, hdrs.METH_OPTIONS}))
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers={hdrs.ALLOW: allow})
        return _response(_problem(error, {hdrs.ALLOW: allow}))
    except web.HTTPException as error:
        return _response(_problem(error, {}))
    except ConnectionError:
        raise  # the client went away
    except Exception:
        log.exception("intake.http.failed", extra={"method": request.method, "route": _route(request)})
        return _response(BUG)


def _problem(error: web.HTTPException, headers: Mapping[str, str]) -> Problem:
    return Problem(error.status, CODES.get(error.status, Code.INVALID_FIELD), error.reason, headers=headers)


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
