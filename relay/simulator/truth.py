"""What a checker needs to know of a job, whatever the API says of it at the moment."""

from math import isinf
from typing import Any

from relay.simulator.forms import Listed
from relay.simulator.plan import Fate, Plan


def truth_of(plan: Plan) -> dict[str, Any]:
    """How the job ends, when, and how its items fare. Times are seconds since the epoch, null for "never".

    `fate` is what happens; `outcome` is what its last status lets a reader know of that ("unknown": its results are
    missing; null: it never ends). `succeeded` and `failed` count its items; null where no status tells single items.
    """
    succeeded, failed = _counts(plan)
    return {
        "account": plan.account,
        "id": plan.id,
        "kind": plan.kind.name,
        "fate": plan.fate,
        "status": plan.final_word,
        "outcome": _outcome(plan),
        "total": plan.total,
        "succeeded": succeeded,
        "failed": failed,
        "created_at": plan.created_at,
        "ended_at": _or_none(plan.ended_at),
        "hidden_until": _or_none(plan.hidden_until),
        "gone_at": plan.gone_at,
    }


def _counts(plan: Plan) -> tuple[int | None, int | None]:
    if "results" in plan.form.missing:
        return None, None
    if plan.fate is Fate.FAILED:
        return 0, plan.total
    if plan.final_word != "completed" or plan.form.results is Listed.OBJECT:
        return None, None
    return plan.total - len(plan.failed), len(plan.failed)


def _outcome(plan: Plan) -> str | None:
    if plan.final_word != "completed":
        return None if plan.fate is Fate.STUCK else "failed"
    if "results" in plan.form.missing:
        return "unknown"
    if not plan.failed:
        return "succeeded"
    told_apart = plan.form.results is not Listed.OBJECT and len(plan.failed) < plan.total
    return "partially_failed" if told_apart else "failed"


def _or_none(at: float) -> float | None:
    return None if isinf(at) else at
