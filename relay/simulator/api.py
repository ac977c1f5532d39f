"""Zendesk's side of each call, for one account: a request in, the good answer out. What goes wrong comes later."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import inf
from urllib.parse import urlencode

import orjson

from relay.errors import Undecipherable
from relay.simulator.account import Account
from relay.simulator.answer import Answer, Request, error_answer, json_answer
from relay.simulator.endpoints import ITEMS_MAX, JobOrder, order_at
from relay.simulator.plan import Plan, status_at
from relay.simulator.planning import Wish

SHOW_MANY_MAX = 100
PAGE_SIZE_MAX = 100
RENDERED_MAX = 10_000


class Call(StrEnum):
    """What a request to the API is about, as the log of requests names it."""

    SHOW_MANY = "show_many"
    SHOW = "show"
    LIST = "list"
    START = "start"


READS = frozenset({Call.SHOW_MANY, Call.SHOW, Call.LIST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A request understood. `path` is below /api/v2, without `.json`; `ids` are the job ids it asks for."""

    call: Call
    path: str
    ids: Sequence[str] = ()


def route(request: Request, path: str) -> Routed:
    path = path.removesuffix(".json")
    if request.method != "GET" or not path.startswith("job_statuses"):
        return Routed(call=Call.START, path=path)
    if path == "job_statuses":
        return Routed(call=Call.LIST, path=path)
    if path == "job_statuses/show_many":
        ids = [part for part in request.query.get("ids", "").split(",") if part]
        return Routed(call=Call.SHOW_MANY, path=path, ids=ids)
    return Routed(call=Call.SHOW, path=path, ids=(path.removeprefix("job_statuses/"),))


class Api:
    """Answers for all accounts. `api_url` is where the account's API lives, ending in `/api/v2`."""

    def __init__(self, *, job_limit: int | None) -> None:
        self._job_limit = job_limit
        self._rendered: dict[tuple[str, str], tuple[float, bytes]] = {}

    def answer(self, account: Account, routed: Routed, request: Request, now: float, api_url: str) -> Answer:
        if routed.call is Call.SHOW_MANY:
            return self._show_many(account, routed.ids, now, api_url)
        if routed.call is Call.SHOW:
            return self._show(account, routed.ids[0], now, api_url)
        if routed.call is Call.LIST:
            return self._list(account, request.query, now, api_url)
        return self._start(account, routed.path, request, now, api_url)

    def _show_many(self, account: Account, ids: Sequence[str], now: float, api_url: str) -> Answer:
        """Unknown ids are left out, repeated ones folded; the order is not the one asked for."""
        if len(ids) > SHOW_MANY_MAX:
            return _too_many_values("ids", SHOW_MANY_MAX)
        found = [plan for plan in (account.find(job_id, now) for job_id in dict.fromkeys(ids)) if plan is not None]
        account.random.shuffle(found)
        return json_answer(200, {"job_statuses": [self._status(plan, now, api_url) for plan in found]})

    def _show(self, account: Account, job_id: str, now: float, api_url: str) -> Answer:
        plan = account.find(job_id, now)
        if plan is None:
            return error_answer(404, "RecordNotFound", "Not found")
        return json_answer(200, {"job_status": self._status(plan, now, api_url)})

    def _list(self, account: Account, query: Mapping[str, str], now: float, api_url: str) -> Answer:
        try:
            size = min(int(query.get("page[size]", PAGE_SIZE_MAX)), PAGE_SIZE_MAX)
            before = _number_of(query["page[after]"]) if "page[after]" in query else None
        except ValueError:
            return error_answer(400, "InvalidPaginationParameter", "page[size] or page[after] is not valid")
        found = list(islice(account.newest_first(now, before), max(1, size) + 1))
        page, has_more = found[: max(1, size)], len(found) > max(1, size)
        cursor = _cursor_at(page[-1].number) if page else None
        following = f"{api_url}/job_statuses.json?" + urlencode({"page[size]": size, "page[after]": cursor})
        return json_answer(
            200,
            {
                "job_statuses": [self._status(plan, now, api_url) for plan in page],
                "meta": {"has_more": has_more, "after_cursor": cursor, "before_cursor": None},
                "links": {"prev": None, "next": following if has_more else None},
            },
        )

    def _start(self, account: Account, path: str, request: Request, now: float, api_url: str) -> Answer:
        try:
            order = order_at(request.method, path, request.query, request.body)
        except Undecipherable as problem:
            return error_answer(422, "Unprocessable Entity", message=str(problem))
        if order is None:
            return error_answer(404, "InvalidEndpoint", "Not found")
        return self._refusal(account, order, now) or self._queue(account, order, now, api_url)

    def _refusal(self, account: Account, order: JobOrder, now: float) -> Answer | None:
        if not order.item_ids:
            return error_answer(400, "ParameterMissing", "The request names no items")
        if len(order.item_ids) > ITEMS_MAX:
            return _too_many_values("items", ITEMS_MAX)
        if self._job_limit is None:
            return None
        running = account.running(now, self._job_limit)
        if len(running) < self._job_limit:
            return None
        return error_answer(429, "TooManyJobs", "Too many jobs are queued or running", current_job_ids=running)

    def _queue(self, account: Account, order: JobOrder, now: float, api_url: str) -> Answer:
        plan = account.start(order.kind, order.item_ids, now, Wish())
        return json_answer(200, {"job_status": status_at(plan, now, api_url)})

    def _status(self, plan: Plan, now: float, api_url: str) -> orjson.Fragment:
        """A status is rendered once and kept until it changes: pollers ask far more often than jobs move."""
        key = (plan.id, api_url)
        changes_at, rendered = self._rendered.get(key, (-inf, b""))
        if now >= changes_at:
            rendered = orjson.dumps(status_at(plan, now, api_url))
            self._rendered[key] = plan.changes_after(now), rendered
            if len(self._rendered) > RENDERED_MAX:
                del self._rendered[next(iter(self._rendered))]
        return orjson.Fragment(rendered)


def _too_many_values(name: str, most: int) -> Answer:
    return error_answer(400, "TooManyValues", f"Parameter {name} accepts up to {most} values", max_count=most)


def _cursor_at(number: int) -> str:
    return urlsafe_b64encode(str(number).encode()).decode()


def _number_of(cursor: str) -> int:
    return int(urlsafe_b64decode(cursor))
