"""Events as their readers get them: the same bytes as a webhook's."""

from collections.abc import Callable

from relay.core.events import render, structured
from relay.core.job import Event, Job
from relay.core.place import Place, Placed
from relay.intake import sse
from relay.intake.opaque import write_place

KEPT_MAX = 256
KEPT_BYTES_MAX = 4 << 20


class Rendered:
    """`source`: of events, by account."""

    def __init__(self, source: Callable[[str], str]) -> None:
        self._source = source
        self._kept: dict[tuple[Place, str, str], bytes] = {}
        self._size = 0

    def body(self, job: Job, event: Event) -> bytes:
        """In CloudEvents' JSON format, on one line."""
        return structured(render(job, event, self._source(job.account)))

    def live(self, placed: Placed) -> bytes:
        """In a stream. Kept for a while, since many read the newest events at the same time."""
        job, event, place = placed
        # An account's events all are in one partition, so that the place tells which of them it is.
        key = (place, job.account, self._source(job.account))
        written = self._kept.get(key)
        if written is None:
            written = self._kept[key] = sse.event(write_place(place), event.type, self.body(job, event))
            self._size += len(written)
            self._trim()
        return written

    def _trim(self) -> None:
        while len(self._kept) > KEPT_MAX or self._size > KEPT_BYTES_MAX:
            self._size -= len(self._kept.pop(next(iter(self._kept))))
