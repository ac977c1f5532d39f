"""What those ask who keep the process running: liveness, readiness, metrics. No key needed."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel, Field

from relay.intake import Health
from relay.intake.gate import Gate

# https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
METRICS = {hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8", hdrs.CACHE_CONTROL: "no-store"}
JSON = {hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "no-store"}


class HealthReport(BaseModel):
    """200 without faults, 503 with any."""

    status: Annotated[str, Field(json_schema_extra={"enum": ["ok", "failing"]})]
    faults: list[str]


class Probes:
    """`metrics`: renders the page of all metrics in the Prometheus text format."""

    def __init__(self, *, health: Health, gate: Gate, metrics: Callable[[], Awaitable[bytes]]) -> None:
        self._health = health
        self._gate = gate
        self._metrics = metrics

    async def live(self, _: web.Request) -> web.Response:
        return _report(self._health.live())

    async def ready(self, _: web.Request) -> web.Response:
        closed = ["draining"] if self._gate.draining else []
        return _report(self._health.ready() or closed)

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=await self._metrics(), headers=METRICS)


def _report(faults: Sequence[str]) -> web.Response:
    body = orjson.dumps({"status": "failing" if faults else "ok", "faults": list(faults)})
    return web.Response(status=503 if faults else 200, body=body, headers=JSON)
