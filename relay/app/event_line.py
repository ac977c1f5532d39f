"""One event on one line: for people to read, for grep to find. The form is stable.

2026-02-03T04:05:06.789Z zendesk.job.completed acme/V3-1c0b state=completed outcome=succeeded succeeded=20 failed=0
"""

from collections.abc import Iterator, Mapping
from typing import Any

from relay.core.webhook import excerpt


def event_line(event: Mapping[str, Any]) -> str:
    """`event`: a CloudEvent as a JSON object. It comes from outside, so nothing is taken for granted."""
    data = event.get("data")
    data = data if isinstance(data, Mapping) else {}
    name = "/".join(word(part) for part in (data.get("account"), data.get("job_id")) if part is not None)
    words = (word(event.get("time")), word(event.get("type")), name or word(event.get("subject")))
    return " ".join([*words, *(f"{key}={word(value)}" for key, value in _details(data))])


def _details(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    status, items = (found if isinstance(found, Mapping) else {} for found in map(data.get, ("job_status", "items")))
    if status.get("status") is not None:
        yield "state", status["status"]
    if data.get("outcome") is not None:
        yield "outcome", data["outcome"]
        yield from ((key, items[key]) for key in ("succeeded", "failed") if items.get(key) is not None)
    elif status.get("progress") is not None:
        yield "progress", f"{status['progress']}/{status.get('total')}"
    if data.get("reason") is not None:
        yield "reason", data["reason"]


def word(value: object) -> str:
    """Without spaces and control characters, of bounded length."""
    return ("" if value is None else excerpt(str(value)).replace(" ", "_")) or "-"
