"""Zendesk's job status object, as it reads at a moment."""

from datetime import UTC, datetime
from typing import Any

from relay.simulator.forms import Listed
from relay.simulator.plan import Plan
from relay.simulator.results import results_of


def status_at(plan: Plan, now: float, api_url: str) -> dict[str, Any]:
    """Keys in recorded order. `api_url` ends in `/api/v2`."""
    word = plan.word_at(now)
    counted = plan.form.results is not Listed.OBJECT
    progress = plan.progress_at(now) if word != "queued" and counted else None
    total = plan.total if counted and (word != "queued" or plan.form.total_while_queued) else None
    status = {
        "id": plan.id,
        "job_type": plan.form.job_type,
        "url": f"{api_url}/job_statuses/{plan.id}.json",
        "total": total,
        "progress": progress,
        "status": word,
        "message": _message(plan, word, progress),
        "results": results_of(plan) if plan.ended(now) else None,
    }
    missing = plan.form.missing if plan.form.job_type is not None else plan.form.missing | {"job_type"}
    return {name: value for name, value in status.items() if name not in missing}


def _message(plan: Plan, word: str, progress: int | None) -> str | None:
    if word == "queued":
        return None
    if word == plan.final_word:
        return f"{word.capitalize()} at {_date(plan.ended_at, old=plan.form.old_dates)}"
    if word == "working":
        return f"{plan.kind.verb} {plan.kind.noun} #{max(progress or 0, 1)}"
    return "Waiting for other jobs"


def _date(at: float, *, old: bool) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y" if old else "%Y-%m-%d %H:%M:%S +0000")
