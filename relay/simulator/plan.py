"""A job's whole life, fixed when it starts: what Zendesk would say of it at any moment is a function of its plan."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import inf, isinf
from typing import Any, NamedTuple

from relay.simulator.kinds import JobKind, Shape

LIFETIME_SECONDS = 86_400  # job data is kept for one day from creation


class Fate(StrEnum):
    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"  # completed, with errors among the results
    ALL_FAILED = "all_failed"  # completed, with nothing but errors
    FAILED = "failed"
    KILLED = "killed"
    STUCK = "stuck"  # never ends


_FINAL_WORD = {
    Fate.SUCCEEDED: "completed",
    Fate.PARTIALLY_FAILED: "completed",
    Fate.ALL_FAILED: "completed",
    Fate.FAILED: "failed",
    Fate.KILLED: "killed",
    Fate.STUCK: None,
}


class Step(NamedTuple):
    """From `at` on, `progress` items are done."""

    at: float
    progress: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Times are seconds since the epoch; `inf`: never. `working_at` = `ended_at`: it is never seen working.

    `failed`: indexes of the items that fail. `item_ids`: of the things worked on, one for each item.
    `hidden_until`: look-ups by id do not find it before. `gone_at`: nothing finds it any more.
    `terse`: results in the shorter of the two recorded forms. `old_dates`: "Fri Apr 13 02:51:53 +0000 2012".
    """

    id: str
    account: str
    account_id: int
    number: int
    kind: JobKind
    fate: Fate
    total: int
    created_at: float
    working_at: float
    ended_at: float
    steps: tuple[Step, ...]
    failed: frozenset[int]
    item_ids: Sequence[int | str]
    job_type: str | None = None
    terse: bool = False
    old_dates: bool = False
    hidden_until: float = -inf
    gone_at: float = inf

    @property
    def final_word(self) -> str | None:
        """The status it ends with; None: it never does."""
        return _FINAL_WORD[self.fate]

    def known_at(self, now: float) -> bool:
        """Whether a list still holds it."""
        return now < self.gone_at

    def found_at(self, now: float) -> bool:
        """Whether a look-up by id finds it."""
        return self.hidden_until <= now < self.gone_at

    def ended(self, now: float) -> bool:
        return now >= self.ended_at

    def changes_after(self, now: float) -> float:
        """When its status next changes; `inf`: never again."""
        moments = (self.working_at, *(step.at for step in self.steps), self.ended_at)
        return min((at for at in moments if at > now), default=inf)


def status_at(plan: Plan, now: float, api_url: str) -> dict[str, Any]:
    """Zendesk's job status object, keys in recorded order. `api_url` ends in `/api/v2`."""
    word = _word_at(plan, now)
    counted = plan.kind.shape is not Shape.SUCCESS
    progress = _progress_at(plan, now) if word != "queued" and counted else None
    job_type = {} if plan.job_type is None else {"job_type": plan.job_type}
    return {
        "id": plan.id,
        **job_type,
        "url": f"{api_url}/job_statuses/{plan.id}.json",
        "total": plan.total if counted else None,
        "progress": progress,
        "status": word,
        "message": _message(plan, word, progress),
        "results": results_of(plan) if plan.ended(now) else None,
    }


def _word_at(plan: Plan, now: float) -> str:
    if now >= plan.ended_at and plan.final_word is not None:
        return plan.final_word
    return "working" if now >= plan.working_at else "queued"


def _progress_at(plan: Plan, now: float) -> int:
    if plan.ended(now) and plan.final_word == "completed":
        return plan.total
    passed = bisect_right(plan.steps, now, key=lambda step: step.at)
    return plan.steps[passed - 1].progress if passed else 0


def _message(plan: Plan, word: str, progress: int | None) -> str | None:
    if word == "queued":
        return None
    if word == "working":
        return f"{plan.kind.verb} {plan.kind.noun} #{max(progress or 0, 1)}"
    return f"{word.capitalize()} at {_date(plan.ended_at, old=plan.old_dates)}"


def _date(at: float, *, old: bool) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y" if old else "%Y-%m-%d %H:%M:%S +0000")


def results_of(plan: Plan) -> list[dict[str, Any]] | dict[str, bool] | None:
    """What `results` holds once the job has ended."""
    if plan.fate is Fate.KILLED:
        return None
    if plan.fate is Fate.FAILED:
        return [_error(plan, index) for index in range(plan.total)]
    if plan.kind.shape is Shape.SUCCESS:
        return {"success": not plan.failed}
    return [_error(plan, index) if index in plan.failed else _success(plan, index) for index in range(plan.total)]


def _success(plan: Plan, index: int) -> dict[str, Any]:
    kind, item_id = plan.kind, plan.item_ids[index]
    if kind.shape is Shape.CHANGED:
        return {"action": kind.action, "id": item_id, "status": kind.item_status, "success": True}
    if plan.terse:
        return {"id": item_id, "status": kind.item_status}
    return {"index": index, "id": item_id, "account_id": plan.account_id}


def _error(plan: Plan, index: int) -> dict[str, Any]:
    """The keys are recorded, the texts are examples. A thing that was never created has no id."""
    noun = plan.kind.noun
    if plan.kind.action == "create":
        return {"index": index, "error": f"{_class(noun)}CreateError", "details": "Name: cannot be blank"}
    error = f"{_class(noun)}{plan.kind.action.capitalize()}Error"
    return {"index": index, "id": plan.item_ids[index], "error": error, "details": f"The {noun} is closed or gone"}


def _class(noun: str) -> str:
    return noun.title().replace(" ", "")


def truth_of(plan: Plan) -> dict[str, Any]:
    """What a checker needs to know: how the job ends, when, and how its items fare. Times are null for "never".

    `succeeded` and `failed` count entries of the results; null where they say nothing of single items.
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
    if plan.fate is Fate.FAILED:
        return 0, plan.total
    if plan.final_word != "completed" or plan.kind.shape is Shape.SUCCESS:
        return None, None
    return plan.total - len(plan.failed), len(plan.failed)


def _outcome(plan: Plan) -> str | None:
    if plan.final_word != "completed":
        return None if plan.fate is Fate.STUCK else "failed"
    if not plan.failed:
        return "succeeded"
    told_apart = plan.kind.shape is not Shape.SUCCESS and len(plan.failed) < plan.total
    return "partially_failed" if told_apart else "failed"


def _or_none(at: float) -> float | None:
    return None if isinf(at) else at
