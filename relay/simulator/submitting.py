"""The endpoints that queue a background job: refused, or answered with its first status."""

from relay.errors import Undecipherable
from relay.simulator.answer import Answer, error_answer, json_answer
from relay.simulator.endpoints import ITEMS_MAX, JobOrder, order_at
from relay.simulator.looking_up import too_many_values
from relay.simulator.planning import Wish
from relay.simulator.status import status_at
from relay.simulator.visit import Visit


def submit(visit: Visit) -> Answer:
    request = visit.request
    try:
        order = order_at(request.method, visit.routed.path, request.query, request.body)
    except Undecipherable as problem:
        return error_answer(422, "Unprocessable Entity", message=str(problem))
    if order is None:
        return error_answer(404, "InvalidEndpoint", "Not found")
    return _refusal(visit, order) or _queue(visit, order)


def _refusal(visit: Visit, order: JobOrder) -> Answer | None:
    if not order.item_ids:
        return error_answer(400, "ParameterMissing", "The request names no items")
    if len(order.item_ids) > ITEMS_MAX:
        return too_many_values("items", ITEMS_MAX)
    limit = visit.scenario.job_limit
    if limit is None:
        return None
    running = visit.account.running(visit.now, limit)
    if len(running) < limit:
        return None
    return error_answer(429, "TooManyJobs", "Too many jobs are queued or running", current_job_ids=running)


def _queue(visit: Visit, order: JobOrder) -> Answer:
    plan = visit.account.start(order.kind, order.item_ids, now=visit.now, wish=Wish(), scenario=visit.scenario)
    return json_answer(200, {"job_status": status_at(plan, visit.now, visit.api_url)})
