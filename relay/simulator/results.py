"""What `results` holds once a job has ended, in every shape that was recorded or documented."""

from typing import Any

from relay.simulator.forms import Listed
from relay.simulator.kinds import Shape
from relay.simulator.plan import Fate, Plan

Entry = dict[str, Any]


def results_of(plan: Plan) -> list[Entry] | dict[str, bool] | None:
    if plan.fate is Fate.KILLED:
        return None
    if plan.fate is Fate.FAILED:
        return [_error(plan, index) for index in range(plan.total)]
    if plan.form.results is Listed.OBJECT:
        return {"success": not plan.failed}
    if plan.form.results is Listed.ERRORS:
        return [_error(plan, index) for index in sorted(plan.failed)]
    return [_error(plan, index) if index in plan.failed else _success(plan, index) for index in range(plan.total)]


def _success(plan: Plan, index: int) -> Entry:
    kind, item_id = plan.kind, plan.item_ids[index]
    notes = _notes(plan, index) if plan.form.results is Listed.ANNOTATED else {}
    if kind.shape is not Shape.CREATED:
        return {"action": kind.action, "id": item_id, "status": kind.item_status, "success": True, **notes}
    match plan.form.results:
        case Listed.TERSE:
            return {"id": item_id, "status": kind.item_status}
        case Listed.INDEXED:
            return {"index": index, "id": item_id}
        case _:
            return {"index": index, "id": item_id, "account_id": plan.account_id, **notes}


def _error(plan: Plan, index: int) -> Entry:
    """The keys are recorded, the texts are examples. A thing that was never created has no id."""
    named = {"index": index} if plan.kind.action == "create" else {"index": index, "id": plan.item_ids[index]}
    text = "Name: cannot be blank" if plan.kind.action == "create" else f"The {plan.kind.noun} is closed or gone"
    if plan.form.results is not Listed.ANNOTATED:
        return named | {"error": _error_class(plan), "details": text}
    notes = _notes(plan, index)
    match index % 3:
        case 0:
            return named | notes | {"error": _error_class(plan), "details": text}
        case 1:
            return named | notes | {"errors": [text]}
        case _:
            return named | notes | {"success": False, "status": "Failed"}


def _notes(plan: Plan, index: int) -> Entry:
    if plan.kind.noun == "user":
        return {"email": f"user{index}@example.com", "external_id": f"ext-{index}"}
    return {"title": f"{plan.kind.noun} {index}"}


def _error_class(plan: Plan) -> str:
    return f"{plan.kind.noun.title().replace(' ', '')}{plan.kind.action.capitalize()}Error"
