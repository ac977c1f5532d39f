"""A status is rendered once and kept until it changes: pollers ask far more often than jobs move."""

from math import inf
from typing import NamedTuple

import orjson

from relay.simulator.plan import Plan
from relay.simulator.status import status_at

RENDERED_MAX = 10_000


class _Rendered(NamedTuple):
    since: float
    until: float
    status: bytes


_NEVER = _Rendered(inf, -inf, b"")


class Renderer:
    def __init__(self) -> None:
        self._rendered: dict[tuple[str, str], _Rendered] = {}

    def status(self, plan: Plan, now: float, api_url: str) -> orjson.Fragment:
        key = (plan.id, api_url)
        kept = self._rendered.get(key, _NEVER)
        if not kept.since <= now < kept.until:
            kept = _Rendered(now, plan.changes_after(now), orjson.dumps(status_at(plan, now, api_url)))
            self._rendered[key] = kept
            if len(self._rendered) > RENDERED_MAX:
                del self._rendered[next(iter(self._rendered))]
        return orjson.Fragment(kept.status)
