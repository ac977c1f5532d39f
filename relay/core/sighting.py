"""What one object of Zendesk's says of a job, taken out of it while it is at hand.

A reply that was parsed is a hundred times as many values as there are jobs in it. They go at once, while what they say
may have to wait until it is recorded; the object itself is kept as bytes.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
from msgspec import Struct

from relay.core.job import DELETED, ENDED, EXPIRED, LOST, Items, Outcome, trim
from relay.core.results import judge, total_of

OUR_ENDINGS = frozenset({EXPIRED, LOST, DELETED})
STARTED_WORD = "working"


class Sighting(Struct, frozen=True, kw_only=True, gc=False):
    """`status`: the job's state, as it is recorded. `encoded`: the object as compact JSON, trimmed.

    `outcome`, and `completed_at` as `completed_at` has it: None while the job runs.
    """

    status: str
    encoded: bytes
    items: Items
    outcome: Outcome | None = None
    completed_at: str | None = None


def sight(job_status: dict[str, Any], encoded: bytes | None = None) -> Sighting:
    """`job_status`: with a string `status`, as `zendesk.decipher` guarantees; other fields may be missing or mistyped.

    `encoded`: the same as compact JSON, where it is at hand.
    """
    word = job_status["status"]
    # A word with which only relay ends a job is one more that Zendesk does not document: the job is running.
    status = STARTED_WORD if word in OUR_ENDINGS else word
    encoded = trim(orjson.dumps(job_status) if encoded is None else encoded)
    if status not in ENDED:
        return Sighting(status=status, encoded=encoded, items=Items(total=total_of(job_status)))
    outcome, items = judge(job_status, encoded)
    return Sighting(
        status=status,
        encoded=encoded,
        items=items,
        outcome=outcome,
        completed_at=completed_at(job_status.get("message")),
    )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONE = r"(?P<sign>[+-])(?P<zone_hours>\d\d):?(?P<zone_minutes>\d\d)"
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = (
    re.compile(rf"\bat (?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d) {_CLOCK} {_ZONE}", re.ASCII),
    re.compile(
        rf"\bat [A-Z][a-z]{{2}} (?P<month>{'|'.join(_MONTHS)}) +(?P<day>\d\d?) {_CLOCK} {_ZONE} (?P<year>\d{{4}})",
        re.ASCII,
    ),
)


def completed_at(message: Any) -> str | None:  # noqa: ANN401 - JSON
    """Zendesk's own time of the end, from either date style of the message, as RFC 3339 in UTC; None: not told."""
    if not isinstance(message, str) or "at " not in message:
        return None
    match = next(filter(None, (date.search(message[:1_000]) for date in _DATES)), None)
    if match is None:
        return None
    part = match.groupdict()
    month = _MONTHS.index(part["month"]) + 1 if part["month"] in _MONTHS else int(part["month"])
    offset = timedelta(hours=int(part["zone_hours"]), minutes=int(part["zone_minutes"]))
    try:
        zone = timezone(-offset if part["sign"] == "-" else offset)
        moment = datetime(
            int(part["year"]),
            month,
            int(part["day"]),
            int(part["hour"]),
            int(part["minute"]),
            int(part["second"]),
            tzinfo=zone,
        )
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
    except (ValueError, OverflowError):
        return None
