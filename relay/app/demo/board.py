"""What has happened so far in the demo, as its audience knows it: jobs handed in, and events that arrived."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

JOBS_KEPT = 200
EVENTS_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One job, as its newest event told. `outcome` None: it runs. Times are seconds from any origin."""

    id: str
    kind: str
    began: float
    state: str = "queued"
    total: int | None = None
    progress: int | None = None
    outcome: str | None = None
    succeeded: int | None = None
    failed: int | None = None


class Board:
    """`now` is the time of the call, from the same origin every time."""

    def __init__(self) -> None:
        self.tracked = 0
        self.delivered = 0
        self.outcomes: Counter[str] = Counter()
        self.events: deque[Mapping[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self._rows: dict[str, Row] = {}
        self._watched_seconds = 0.0

    def handed_in(self, job_status: Mapping[str, Any], now: float) -> None:
        """A job that relay has taken. `job_status`: Zendesk's object."""
        self.tracked += 1
        kind = job_status.get("job_type") or "Bulk job"
        self._rows[job_status["id"]] = Row(id=job_status["id"], kind=kind, began=now, total=job_status.get("total"))
        if len(self._rows) > JOBS_KEPT:
            del self._rows[next(iter(self._rows))]

    def received(self, event: Mapping[str, Any], now: float) -> None:
        """`event`: a CloudEvent as a JSON object."""
        data = event["data"]
        self.delivered += 1
        self.events.append(event)
        if data["outcome"] is not None:
            self.outcomes[data["outcome"]] += 1
        row = self._rows.get(data["job_id"])
        if row is None:
            return
        if data["outcome"] is not None:
            self._watched_seconds += now - row.began
        self._rows[row.id] = _changed(row, data)

    @property
    def running(self) -> int:
        return self.tracked - self.outcomes.total()

    def newest(self, count: int) -> Iterator[Row]:
        return islice(reversed(self._rows.values()), count)

    def watched_seconds(self, now: float) -> float:
        """The time that all jobs were watched, added up."""
        return self._watched_seconds + sum(now - row.began for row in self._rows.values() if row.outcome is None)


def _changed(row: Row, data: Mapping[str, Any]) -> Row:
    status, items = data["job_status"] or {}, data["items"]
    return replace(
        row,
        state=status.get("status", row.state),
        total=items["total"] or row.total,
        progress=status.get("progress") or row.progress,
        outcome=data["outcome"],
        succeeded=items["succeeded"],
        failed=items["failed"],
    )
