"""Show Many Job Statuses and Show Job Status: what is found, what is left out, what is refused."""

import orjson

from relay.simulator.account import Account
from relay.simulator.answer import Answer, error_answer, json_answer, page_answer
from relay.simulator.denials import no_access
from relay.simulator.plan import Plan
from relay.simulator.rendering import Renderer
from relay.simulator.visit import Visit

STRAY = 0.3
_STRANGER = b'{"id":"V3-%032x","url":null,"total":1,"progress":1,"status":"completed","message":null,"results":[]}'


def show_many(visit: Visit, renderer: Renderer) -> Answer:
    asked = list(visit.routed.ids) if visit.scenario.look_ups.repeat else list(dict.fromkeys(visit.routed.ids))
    then = visit.now - visit.scenario.memory.show_many_lag_seconds
    found = [plan for plan in (_find(visit, job_id, then) for job_id in asked) if plan is not None]
    refusal = _refusal(visit, found, complete=len(found) == len(asked))
    if refusal is not None:
        return refusal
    if visit.scenario.look_ups.shuffle:
        visit.account.random.shuffle(found)
    statuses = [renderer.status(plan, then, visit.api_url) for plan in found]
    return _list_of(visit, statuses)


def _refusal(visit: Visit, found: list[Plan], *, complete: bool) -> Answer | None:
    look_ups = visit.scenario.look_ups
    if visit.request.target_bytes > look_ups.target_bytes_max:
        return page_answer(414)
    if len(visit.routed.ids) > look_ups.ids_max:
        return too_many_values("ids", look_ups.ids_max) if look_ups.ids_max_told else error_answer(400, "BadRequest")
    if any(plan.poisonous for plan in found):
        return poisoned(look_ups.poison_status)
    return not_found() if look_ups.refuse_unknown and not complete else None


def _list_of(visit: Visit, statuses: list[orjson.Fragment]) -> Answer:
    look_ups, random = visit.scenario.look_ups, visit.account.random
    if look_ups.foreign and random.random() < look_ups.foreign:
        strangers = [orjson.Fragment(_STRANGER % random.getrandbits(128))]
        # Somebody else's reply as a whole, or ours with one of theirs among them.
        statuses = strangers if random.random() < STRAY else [*statuses, *strangers]
    document: dict[str, object] = {"job_statuses": statuses}
    return json_answer(200, document | {"count": len(statuses)} if look_ups.count else document)


def show(visit: Visit, renderer: Renderer) -> Answer:
    then = visit.now - visit.scenario.memory.show_lag_seconds
    plan = _find(visit, visit.routed.ids[0], then)
    if plan is None:
        return not_found()
    if plan.poisonous and visit.scenario.look_ups.unspeakable:
        return poisoned(visit.scenario.look_ups.poison_status)
    status = renderer.status(plan, then, visit.api_url)
    return json_answer(200, status if visit.scenario.look_ups.bare else {"job_status": status})


def _find(visit: Visit, job_id: str, then: float) -> Plan | None:
    plan = visit.account.find(job_id, then)
    if plan is not None and _flickers(visit.account, visit.scenario.memory.flicker):
        return None
    return plan


def _flickers(account: Account, share: float) -> bool:
    return bool(share) and account.random.random() < share


def not_found() -> Answer:
    return error_answer(404, "RecordNotFound", "Not found")


def poisoned(status: int) -> Answer:
    """As the application says no, as a right that is missing, or as the page of whatever broke."""
    match status:
        case 400 | 422:
            return error_answer(status, "RecordInvalid", "Record validation errors")
        case 403:
            return no_access()
        case _:
            return page_answer(status)


def too_many_values(name: str, most: int) -> Answer:
    return error_answer(400, "TooManyValues", f"Parameter {name} accepts up to {most} values", max_count=most)
