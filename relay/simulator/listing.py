"""List Job Statuses: sorted, and paged by cursors."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain, islice
from math import inf
from urllib.parse import urlencode

import orjson

from relay.simulator.account import Account
from relay.simulator.answer import Answer, error_answer, json_answer
from relay.simulator.plan import Plan
from relay.simulator.rendering import Renderer
from relay.simulator.scenario import Order
from relay.simulator.visit import Visit

PAGE_SIZE_MAX = 100

Place = tuple[float, int]  # (ended_at or inf while running, number): where a page ended


def list_statuses(visit: Visit, renderer: Renderer) -> Answer:
    query = visit.request.query
    try:
        size = max(1, min(int(query.get("page[size]", PAGE_SIZE_MAX)), PAGE_SIZE_MAX))
        seen, last = _place_of(query["page[after]"]) if "page[after]" in query else (0, None)
    except ValueError:
        return error_answer(400, "InvalidPaginationParameter", "page[size] or page[after] is not valid")
    then = visit.now - visit.scenario.memory.list_lag_seconds
    jobs_max = visit.scenario.listing.jobs_max
    size = size if jobs_max is None else max(0, min(size, jobs_max - seen))
    order = visit.scenario.listing.order
    found = list(islice(_sorted(visit.account, then, order, last), size + 1))
    page = found[:size]
    has_more = len(found) > size and seen + size != jobs_max
    cursor = _cursor_at(seen + len(page), _place(page[-1], then, order)) if page else None
    following = f"{visit.api_url}/job_statuses.json?" + urlencode({"page[size]": size, "page[after]": cursor})
    return json_answer(
        200,
        {
            "job_statuses": [renderer.status(plan, then, visit.api_url) for plan in page],
            "meta": {"has_more": has_more, "after_cursor": cursor, "before_cursor": None},
            "links": {"prev": None, "next": following if has_more else None},
        },
    )


def _sorted(account: Account, then: float, order: Order, last: Place | None) -> Iterator[Plan]:
    """The jobs that the list held at `then`, those after `last` only."""
    ended_at, number = last if last is not None else (None, None)
    match order:
        case Order.CREATION:
            return _by_creation(account, then, number, running_only=False)
        case Order.RUNNING_FIRST:
            running = _by_creation(account, then, number, running_only=True) if ended_at in {None, inf} else iter(())
            return chain(running, _by_end(account, then, None if ended_at in {None, inf} else last))
        case Order.ENDED_FIRST:
            ended = _by_end(account, then, last) if ended_at != inf else iter(())
            return chain(ended, _by_creation(account, then, number if ended_at == inf else None, running_only=True))


def _by_creation(account: Account, then: float, before: int | None, *, running_only: bool) -> Iterator[Plan]:
    start = account.newest if before is None else min(before - 1, account.newest)
    plans = (account.job(number) for number in range(start, 0, -1))
    return (
        plan for plan in plans if plan is not None and plan.listed_at(then) and not (running_only and plan.ended(then))
    )


def _by_end(account: Account, then: float, before: Place | None) -> Iterator[Plan]:
    ended = account.ended(then)
    start = len(ended) if before is None else bisect_left(ended, before)
    plans = (account.job(ended[index][1]) for index in range(start - 1, -1, -1))
    return (plan for plan in plans if plan is not None and plan.listed_at(then) and plan.ended(then))


def _place(plan: Plan, then: float, order: Order) -> Place:
    return (plan.ended_at if plan.ended(then) and order is not Order.CREATION else inf, plan.number)


def _cursor_at(seen: int, place: Place) -> str:
    """Opaque to callers. JSON has no infinity, so a running job's end is null."""
    ended_at, number = place
    return urlsafe_b64encode(orjson.dumps([seen, None if ended_at == inf else float(ended_at), number])).decode()


def _place_of(cursor: str) -> tuple[int, Place]:
    """Raises ValueError: not a cursor."""
    match orjson.loads(urlsafe_b64decode(cursor)):
        case [int(seen), None, int(number)]:
            return seen, (inf, number)
        case [int(seen), float(ended_at), int(number)]:
            return seen, (ended_at, number)
        case _:
            raise ValueError("not a cursor")
