"""What became of the items of an ended job, from every shape of `results` that was seen; and cutting them to a bound.

Shapes (recorded, documented): a list of `{index,id}`, `{id,status:"Created"}`, `{action,id,status:"Updated",success}`,
with errors as `{index,id?,error,details}`; or one object `{"success": true}` for permanent deletion, with null totals.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from relay.core.job import Items, Outcome

FAILED_WORDS = frozenset({"failed", "error", "errored", "rejected"})
TEXT_MAX = 1_000
ENVELOPE_BYTES = 1_024  # what an event holds besides Zendesk's object and the metadata, rounded up
JOB_STATUS_BYTES_MIN = 512


class Results(StrEnum):
    """How much of `results` is kept."""

    FULL = "full"
    ERRORS = "errors"
    NONE = "none"


def judge(job_status: dict[str, Any]) -> tuple[Outcome, Items]:
    """Outcome and item counts of a job that Zendesk calls ended. Its word "completed" alone proves nothing."""
    results = job_status.get("results")
    total = _whole(job_status.get("total"))
    completed = job_status.get("status") == "completed"
    if isinstance(results, list):
        outcome, items = _judge_list(results, total, rest_went_well=completed)
    elif isinstance(results, dict):
        outcome, items = _judge_object(results, total)
    else:
        outcome, items = Outcome.UNKNOWN, Items(total=total)
    return (outcome if completed else Outcome.FAILED), items


def _judge_list(results: list[Any], total: int | None, *, rest_went_well: bool) -> tuple[Outcome, Items]:
    verdicts = [entry_failed(entry) for entry in results]
    failed = verdicts.count(True)
    succeeded = verdicts.count(False)
    total = max(total or 0, len(results))
    if rest_went_well:
        succeeded += total - len(results)  # recorded: a completed update with an empty list, and lists of errors only
    items = Items(total=total, succeeded=succeeded, failed=failed)
    if failed:
        return (Outcome.PARTIALLY_FAILED if succeeded else Outcome.FAILED), items
    # An entry that nobody can read may hide a failure.
    return (Outcome.SUCCEEDED if succeeded == total else Outcome.UNKNOWN), items


def _judge_object(results: dict[str, Any], total: int | None) -> tuple[Outcome, Items]:
    match entry_failed(results) if "success" in results or _complains(results) else None:
        case None:
            return Outcome.UNKNOWN, Items(total=total)
        case True:
            return Outcome.FAILED, Items(total=total, failed=total)
        case False:
            return Outcome.SUCCEEDED, Items(total=total, succeeded=total, failed=0)


def entry_failed(entry: Any) -> bool | None:  # noqa: ANN401 - anything may stand in a reply
    """Whether this item went wrong; None where it cannot be told."""
    if not isinstance(entry, dict) or not entry:
        return None
    if _complains(entry) or entry.get("success") is False:
        return True
    return str(entry.get("status", "")).lower() in FAILED_WORDS


def _complains(entry: dict[str, Any]) -> bool:
    return bool(entry.get("error")) or bool(entry.get("errors"))


def _whole(value: Any) -> int | None:  # noqa: ANN401 - anything may stand in a reply
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much of Zendesk's object is kept: `max_bytes` holds for a whole event."""

    results: Results = Results.FULL
    max_bytes: int = 65_536


def fit(job_status: dict[str, Any], metadata: bytes, bound: Bound) -> tuple[bytes, bool]:
    """Zendesk's object as JSON within the bound, and whether its size (not the setting) made us cut something.

    Cut in this order: results to errors only, results to none, everything to the documented fields with short texts.
    """
    room = max(bound.max_bytes - len(metadata) - ENVELOPE_BYTES, JOB_STATUS_BYTES_MIN)
    kept = _keep(job_status, bound.results)
    encoded = orjson.dumps(kept)
    if len(encoded) <= room:
        return encoded, False
    for smaller in (_keep(kept, Results.ERRORS), _keep(kept, Results.NONE)):
        encoded = orjson.dumps(smaller)
        if len(encoded) <= room:
            return encoded, True
    return orjson.dumps(_essentials(job_status)), True


def _keep(job_status: dict[str, Any], results: Results) -> dict[str, Any]:
    if results is Results.FULL or not job_status.get("results"):
        return job_status
    found = job_status["results"]
    if results is Results.NONE or not isinstance(found, list):
        return {**job_status, "results": None}
    return {**job_status, "results": [entry for entry in found if entry_failed(entry) is not False]}


def _essentials(job_status: dict[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:  # noqa: ANN401 - JSON
        return value[: TEXT_MAX // 10] if isinstance(value, str) else value if isinstance(value, int | float) else None

    names = ("id", "job_type", "url", "total", "progress", "status", "message")
    return {name: short(job_status[name]) for name in names if name in job_status} | {"results": None}
