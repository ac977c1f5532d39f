"""What became of the items of an ended job, from every shape of `results` that was seen; and cutting them to a bound.

Shapes (recorded, documented): a list of `{index,id}`, `{id,status:"Created"}`, `{action,id,status:"Updated",success}`,
with errors as `{index,id?,error,details}`; or one object `{"success": true}` for permanent deletion, with null totals.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from relay.core.job import Items, Outcome, trim

FAILED_WORDS = frozenset({"failed", "error", "errored", "rejected"})
ENVELOPE_BYTES = 1_024  # what an event holds besides Zendesk's object and the metadata, rounded up
JOB_STATUS_BYTES_MIN = 640  # holds the longest id and status word in any script, and the numbers
TEXT_CHARACTERS_MAX = 100  # of a text field where everything has to be cut


class Results(StrEnum):
    """How much of `results` is kept."""

    FULL = "full"
    ERRORS = "errors"
    NONE = "none"


def judge(job_status: dict[str, Any], encoded: bytes) -> tuple[Outcome, Items]:
    """Outcome and item counts of a job that Zendesk calls ended. Its word "completed" alone proves nothing.

    `encoded`: the same as compact JSON.
    """
    results = job_status.get("results")
    total = total_of(job_status)
    completed = job_status.get("status") == "completed"
    if isinstance(results, list):
        counted = (0, len(results)) if _silent(results, encoded) else _count(results)
        outcome, items = _judge_list(counted, len(results), total, rest_went_well=completed)
    elif isinstance(results, dict):
        outcome, items = _judge_object(results, total)
    else:
        outcome, items = Outcome.UNKNOWN, Items(total=total)
    return (outcome if completed else Outcome.FAILED), items


def _silent(results: list[Any], encoded: bytes) -> bool:
    """Whether each entry is an object that says nothing of how it went, and so went well: what `_count` would find.

    So it mostly is, and to ask a hundred entries one by one takes longer than all else that an event needs.
    """
    return (
        # Counted throughout: `in` would make an error of its own in each, and drop it.
        not encoded.count(b'"error')
        and not encoded.count(b'"success"')
        and encoded.count(b'"status"') == 1  # the job's own
        and {*map(type, results)} <= {dict}
        and all(results)
    )


def _count(results: list[Any]) -> tuple[int, int]:
    """How many failed, how many did not; the others cannot be told."""
    verdicts = [entry_failed(entry) for entry in results]
    return verdicts.count(True), verdicts.count(False)


def _judge_list(
    counted: tuple[int, int], entries: int, total: int | None, *, rest_went_well: bool
) -> tuple[Outcome, Items]:
    failed, succeeded = counted
    total = max(total or 0, entries)
    if rest_went_well:
        succeeded += total - entries  # recorded: a completed update with an empty list, and lists of errors only
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
    if _complains(entry):
        return True
    status = entry.get("status")
    if status is not None and str(status).lower() in FAILED_WORDS:
        return True
    success = entry.get("success", True)
    return not success if isinstance(success, bool) else None


def _complains(entry: dict[str, Any]) -> bool:
    return bool(entry.get("error")) or bool(entry.get("errors"))


def total_of(job_status: dict[str, Any]) -> int | None:
    """How many items the job has; None: Zendesk did not say."""
    total = job_status.get("total")
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much of Zendesk's object is kept: `max_bytes` holds for a whole event."""

    results: Results = Results.FULL
    max_bytes: int = 65_536


def fit(encoded: bytes, metadata: bytes, bound: Bound) -> tuple[bytes, bool]:
    """Zendesk's object as JSON within the bound, and whether its size (not the setting) made us cut something.

    `encoded`: the whole of it, compact and trimmed. Cut in this order: results to errors only, results to none,
    everything to the documented fields with short texts.
    """
    room = max(bound.max_bytes - len(metadata) - ENVELOPE_BYTES, JOB_STATUS_BYTES_MIN)
    if len(encoded) <= room and (bound.results is Results.FULL or not _has_results(encoded)):
        return encoded, False
    job_status = orjson.loads(encoded)
    wanted = _keep(job_status, bound.results)
    kept = orjson.dumps(wanted)
    if len(kept) <= room:
        return trim(kept), False
    for smaller in (_keep(wanted, Results.ERRORS), _keep(wanted, Results.NONE)):
        kept = orjson.dumps(smaller)
        if len(kept) <= room:
            return trim(kept), True
    return _essentials(job_status, room), True


def _has_results(encoded: bytes) -> bool:
    """False: there are none, as while a job runs. True: there may be."""
    return encoded.count(b'"results":') > encoded.count(b'"results":null')


def _keep(job_status: dict[str, Any], results: Results) -> dict[str, Any]:
    found = job_status.get("results")
    if results is Results.FULL or not found:
        return job_status
    if results is Results.ERRORS and isinstance(found, list):
        return {**job_status, "results": [entry for entry in found if entry_failed(entry) is not False]}
    if results is Results.ERRORS and entry_failed(found):
        return job_status
    return {**job_status, "results": None}


def _essentials(job_status: dict[str, Any], room: int) -> bytes:
    """Id, status and numbers, with the texts cut short and, if need be, left out. Fits JOB_STATUS_BYTES_MIN."""
    names = ("id", "job_type", "url", "total", "progress", "status", "message")
    kept = {name: job_status[name] for name in names if isinstance(job_status.get(name), str | int | float)}
    kept["results"] = None
    for name in ("message", "job_type", "url"):
        kept[name] = kept[name][:TEXT_CHARACTERS_MAX] if isinstance(kept.get(name), str) else None
    for name in ("url", "job_type", "message"):
        if len(orjson.dumps(kept)) > room:
            del kept[name]
    return trim(orjson.dumps(kept))
