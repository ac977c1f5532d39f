"""What relay knows of one background job: its states in one table, and the value itself. Its row: `job_row`.

Times are seconds since the epoch (float, the service's wall clock) throughout the core.

Values of which there are very many, here and elsewhere, are msgspec's: in C it takes a fifth of the time to make one,
or a changed copy of one. Python's garbage collector does not look at them (`gc=False`): they hold no reference cycles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from relay.errors import Reason

EMPTY_METADATA = b"{}"


class EventType(StrEnum):
    STARTED = "zendesk.job.started"
    PROGRESSED = "zendesk.job.progressed"
    COMPLETED = "zendesk.job.completed"
    FAILED = "zendesk.job.failed"
    KILLED = "zendesk.job.killed"
    EXPIRED = "zendesk.job.expired"
    LOST = "zendesk.job.lost"


class Outcome(StrEnum):
    """What became of the items; receivers switch on this. UNKNOWN: nobody can tell."""

    SUCCEEDED = "succeeded"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One row of the state table. `ends_with`: the event that entering this state records, None while running."""

    ends_with: EventType | None = None
    running: bool = False
    reason: Reason | None = None

    @property
    def terminal(self) -> bool:
        return not self.running


PENDING, DELETED, EXPIRED, LOST = "pending", "deleted", "expired", "lost"

STATES: Mapping[str, State] = MappingProxyType(
    {
        # ours: not seen yet
        PENDING: State(running=True),
        # Zendesk's own words; any other word is carried as it is and counts as running
        "queued": State(running=True),
        "working": State(running=True),
        "completed": State(ends_with=EventType.COMPLETED),
        "failed": State(ends_with=EventType.FAILED, reason=Reason.JOB_FAILED),
        "killed": State(ends_with=EventType.KILLED, reason=Reason.JOB_KILLED),
        # ours: ended without a word from Zendesk
        EXPIRED: State(ends_with=EventType.EXPIRED, reason=Reason.AGE_LIMIT),
        LOST: State(ends_with=EventType.LOST, reason=Reason.NEVER_FOUND),
        # a person stopped the tracking: no event, invisible, kept only while earlier events are owed
        DELETED: State(),
    }
)
UNKNOWN_WORD = State(running=True)
ENDED = frozenset(word for word, state in STATES.items() if state.terminal)
"""Asked of every job again and again: all other words are of jobs that run."""
OTHER = "other"
STATE_LABELS = (*STATES, OTHER)  # the closed set for metrics


def state_of(word: str) -> State:
    return STATES.get(word, UNKNOWN_WORD)


class JobKey(NamedTuple):
    account: str
    id: str


Incarnation = tuple[float, str, str]
"""One life of a job, (tracked_at, account, id): the key of its row, and the beginning of the keys of its deliveries.

Several are made for each event, and one with names takes five times as long.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page of jobs ended: the order is (tracked_at, account, id), descending."""

    tracked_at: float
    account: str
    id: str


class Items(Struct, frozen=True, kw_only=True, gc=False):
    """How many of the job's items went well. None: Zendesk did not say."""

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None


NO_ITEMS = Items()


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One event in the job's row; with the row it renders to the same bytes every time.

    `job_status` is Zendesk's object as JSON when the event was recorded. A terminal event holds None there and renders
    the row's, which never changes again: results are stored once.
    `position`: its place among all events of the ledger, from 1, rising; 0: not recorded yet.
    """

    type: EventType
    sequence: int
    detected_at: float
    previous_status: str | None
    metadata: bytes
    job_status: bytes | None = None
    reason: Reason | None = None
    position: int = 0


class Callback(Struct, frozen=True, kw_only=True, gc=False):
    """A receiver that a submitter of the job has named, and what that submission said. `url` may hold a secret."""

    url: str
    metadata: bytes = EMPTY_METADATA
    traceparent: str | None = None

    def __repr__(self) -> str:
        """Without the url."""
        return f"{type(self).__name__}(metadata={self.metadata!r}, traceparent={self.traceparent!r})"


class Job(Struct, frozen=True, kw_only=True, gc=False):
    """A tracked job. Changed only by `core.observe`; (account, id, tracked_at) names one incarnation of it.

    `job_status`: Zendesk's object as last seen, as JSON, cut to the configured bound; None until seen.
    `queued_at`: when it was last seen queued, where progress is measured from; `seen_at`: when it was first seen.
    `sequence`: of the newest event, 0 before the first. `events`: started, newest progress, terminal; oldest first.
    `callbacks`: in the order of their submissions, one per url.
    """

    account: str
    id: str
    tracked_at: float
    state: str = PENDING
    sequence: int = 0
    metadata: bytes = EMPTY_METADATA
    traceparent: str | None = None
    job_status: bytes | None = None
    results_truncated: bool = False
    outcome: Outcome | None = None
    items: Items = NO_ITEMS
    seen_at: float | None = None
    queued_at: float | None = None
    detected_at: float | None = None
    completed_at: str | None = None
    events: tuple[Event, ...] = ()
    callbacks: tuple[Callback, ...] = ()

    @property
    def key(self) -> JobKey:
        return JobKey(self.account, self.id)

    @property
    def incarnation(self) -> Incarnation:
        return self.tracked_at, self.account, self.id

    @property
    def terminal(self) -> bool:
        return self.state in ENDED

    @property
    def final_event(self) -> Event | None:
        """The terminal event, once there is one."""
        last = self.events[-1] if self.events else None
        return last if last is not None and last.type is STATES.get(self.state, UNKNOWN_WORD).ends_with else None


class TrackRequest(Struct, frozen=True, kw_only=True, gc=False):
    """A wish to have a job watched, checked and bounded by the intake. `metadata`: a JSON object as bytes."""

    account: str
    id: str
    metadata: bytes = EMPTY_METADATA
    traceparent: str | None = None
    callback_url: str | None = None

    @property
    def key(self) -> JobKey:
        return JobKey(self.account, self.id)

    def __repr__(self) -> str:
        """Without the url, which may hold a secret."""
        return f"{type(self).__name__}(account={self.account!r}, id={self.id!r}, metadata={self.metadata!r})"


def trim(encoded: bytes) -> bytes:
    """The same bytes in a memory of their own length, for JSON that is kept.

    What orjson returns sits in the buffer that it was written to, and holds on to kilobytes of the heap.
    """
    return b"%b" % encoded
