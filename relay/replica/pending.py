"""What this replica has acknowledged and its images do not show yet, so that whoever asked it finds what they asked."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from relay.core.job import Job, JobKey

BYTES_MAX = 64 * 1024 * 1024
SECONDS_MAX = 300.0  # longer than it takes another replica to take over where an owner died
BYTES_OF_ONE = 1_000  # about what a job without metadata takes
UNSEEN_BYTES_MAX = 1024 * 1024
LOOK_SECONDS = 1.0


class Tentative(NamedTuple):
    """A job as it will be. `offset`: of the record that makes it so. `until`: when nobody believes it any more."""

    job: Job
    offset: int
    until: float


class Pending:
    """Bounded in bytes and in age: what is lost by that is not known here until the images show it."""

    def __init__(self, *, partitions: int, monotonic: Callable[[], float]) -> None:
        self._of: list[dict[JobKey, Tentative]] = [{} for _ in range(partitions)]
        self._bytes = [0] * partitions
        self._monotonic = monotonic
        self._looked_at = [monotonic()] * partitions

    @property
    def due(self) -> Collection[int]:
        """The partitions where so much time has passed that it is worth a look which are shown; none while all that
        there are take little.
        """
        if sum(self._bytes) <= UNSEEN_BYTES_MAX:
            return ()
        latest = self._monotonic() - LOOK_SECONDS
        return [number for number, own in enumerate(self._of) if own and self._looked_at[number] <= latest]

    def put(self, partition: int, job: Job, offset: int) -> None:
        self._remove(partition, job.key)
        self._of[partition][job.key] = Tentative(job, offset, self._monotonic() + SECONDS_MAX)
        self._bytes[partition] += _size(job)
        while sum(self._bytes) > BYTES_MAX:
            largest = self._bytes.index(max(self._bytes))
            self._remove(largest, next(iter(self._of[largest])))

    def find(self, partition: int, key: JobKey) -> Job | None:
        tentative = self._of[partition].get(key)
        return None if tentative is None or tentative.until <= self._monotonic() else tentative.job

    def shown(self, partition: int, offset: int) -> None:
        """The image shows what stands before this."""
        self._looked_at[partition] = now = self._monotonic()
        tentative = self._of[partition]
        for key in [key for key, each in tentative.items() if each.offset < offset or each.until <= now]:
            self._remove(partition, key)

    def _remove(self, partition: int, key: JobKey) -> None:
        tentative = self._of[partition].pop(key, None)
        if tentative is not None:
            self._bytes[partition] -= _size(tentative.job)


def _size(job: Job) -> int:
    return BYTES_OF_ONE + len(job.metadata) + sum(len(callback.url) for callback in job.callbacks)
