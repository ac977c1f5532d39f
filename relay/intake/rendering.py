"""Events as their readers get them: the same bytes as a webhook's."""

from collections.abc import Callable

from relay.core.events import render, structured
from relay.core.job import Event, Job

KEPT_MAX = 256
KEPT_BYTES_MAX = 4 << 20


class Rendered:
    """In CloudEvents' JSON format, on one line. `source`: by account."""

    def __init__(self, source: Callable[[str], str]) -> None:
        self._source = source
        self._kept: dict[tuple[int, str], bytes] = {}
        self._size = 0

    def once(self, job: Job, event: Event) -> bytes:
        """For one reader."""
        return structured(render(job, event, self._source(job.account)))

    def for_all(self, job: Job, event: Event) -> bytes:
        """For all who read the newest events at the same time: kept for a while."""
        key = (event.position, self._source(job.account))
        body = self._kept.get(key)
        if body is None:
            body = self._kept[key] = self.once(job, event)
            self._size += len(body)
            self._trim()
        return body

    def _trim(self) -> None:
        while len(self._kept) > KEPT_MAX or self._size > KEPT_BYTES_MAX:
            self._size -= len(self._kept.pop(next(iter(self._kept))))
