"""What may be asked of the writer about jobs. Each intent decides on a `Draft` by calling the core, and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.core.callbacks import CallbacksFull, subscription_of
from relay.core.job import DELETED, Job, JobKey, TrackRequest
from relay.core.observe import Rules, delete, expire, give_up, observe
from relay.core.sighting import Sighting
from relay.core.tracking import track_all
from relay.core.watch import Watch
from relay.shard.draft import Draft


class Intent(Protocol):
    @property
    def weight(self) -> int:
        """How many rows it is about, roughly."""

    def decide(self, draft: Draft) -> object:
        """Lay the changes over the draft; the result is the answer once they are durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Watch these jobs: all of them, or none. Answers with a bool for each, whether it is new, or why none is taken.

    `marks`: recorded together with them, such as how far they were read from where they came.
    """

    requests: Sequence[TrackRequest]
    marks: Mapping[str, bytes | None] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        return len(self.requests) + len(self.marks)

    def decide(self, draft: Draft) -> Sequence[bool] | CallbacksFull:
        tracked = track_all(self.requests, draft.newest, draft.now)
        if tracked.full:
            return CallbacksFull(tracked.full)
        for job in tracked.changed.values():
            if job.final_event is not None:
                self._tell_the_end(draft, job)
            draft.put(job)
        draft.marks |= self.marks
        return tracked.created

    @staticmethod
    def _tell_the_end(draft: Draft, job: Job) -> None:
        """A job that has ended gets no further event: a callback that is new to it is owed the last one at once."""
        before = draft.newest(job.key)
        known = 0 if before is None else len(before.callbacks)
        for callback in job.callbacks[known:]:
            draft.owe(job, subscription_of(callback))


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrack:
    """Stop watching this job. Answers whether it was known."""

    key: JobKey
    weight: int = 1

    def decide(self, draft: Draft) -> bool:
        job = draft.newest(self.key)
        if job is None or job.state == DELETED:
            return False
        draft.put(delete(job))
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Zendesk said this about these jobs, each object changed since it was last recorded. `seen_at`: when."""

    seen: Sequence[tuple[Watch, Sighting]]
    seen_at: float
    rules: Rules

    @property
    def weight(self) -> int:
        return len(self.seen)

    def decide(self, draft: Draft) -> None:
        for watch, sighting in self.seen:
            before = draft.job(watch.job)
            after = observe(before, sighting, self.seen_at, self.rules)
            if after.sequence > before.sequence:
                draft.put_event(after)
            elif after is not before:
                draft.put(after)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """These jobs ended without a word from Zendesk: too old, or confirmed to be absent."""

    watches: Sequence[Watch]
    too_old: bool

    @property
    def weight(self) -> int:
        return len(self.watches)

    def decide(self, draft: Draft) -> None:
        for watch in self.watches:
            before = draft.job(watch.job)
            after = expire(before, draft.now) if self.too_old else give_up(before, draft.now)
            if after.sequence > before.sequence:
                draft.put_event(after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Record a named value, which may be a secret; None removes it."""

    name: str
    value: bytes | None = field(repr=False)
    weight: int = 1

    def decide(self, draft: Draft) -> None:
        draft.marks[self.name] = self.value
