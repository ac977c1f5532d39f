"""What a ledger is asked to record, and what it answers with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from relay.core.delivery import Delivery, DeliveryState
from relay.core.events import CloudEvent
from relay.core.job import Event, EventType, Job, JobKey
from relay.errors import RelayError


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """An event that the ledger itself publishes to a sink, see `Subscription.in_ledger`. It knows where and how."""

    sink: str
    event: CloudEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Changes that become durable together or not at all. A row replaces the one with the same key.
    Whoever makes a batch puts no key into it twice; if it were there twice, the last row would count.

    `events`: those that are new, each with its job, which is among `jobs` and holds it; their positions rise.
    `unknown`: jobs that were taken for unknown when this was decided; see AlreadyKnown.
    `marks`: small named values, secrets among them; None removes one.
    `messages`: published with the rest or not at all, in this order; only a ledger that publishes is given any.
    """

    jobs: Sequence[Job] = ()
    events: Sequence[tuple[Job, Event]] = ()
    deliveries: Sequence[Delivery] = ()
    unknown: Collection[JobKey] = ()
    marks: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)
    messages: Sequence[Message] = ()


class AlreadyKnown(RelayError):  # noqa: N818 - says what it is
    """The ledger holds jobs that the batch takes for unknown, and has recorded nothing of it.

    `jobs`: the newest incarnation of each.
    """

    def __init__(self, jobs: Mapping[JobKey, Job]) -> None:
        super().__init__(f"{len(jobs)} jobs are known already")
        self.jobs = jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job as committed, what is owed for it, and when it is looked at next (wall clock; None: not planned)."""

    job: Job
    deliveries: Sequence[Delivery] = ()
    next_poll_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Deliveries to one endpoint: how many are pending and dead, and since when the oldest pending one is owed."""

    pending: int = 0
    dead: int = 0
    oldest_pending_since: float | None = None

    def __add__(self, other: "Backlog") -> "Backlog":
        """Of both together."""
        since = [one.oldest_pending_since for one in (self, other) if one.oldest_pending_since is not None]
        return Backlog(
            pending=self.pending + other.pending,
            dead=self.dead + other.dead,
            oldest_pending_since=min(since, default=None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How old a settled row must be to be forgotten, as points in time (seconds since the epoch)."""

    finished_before: float
    dead_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to read; None: all. `accounts`: names. `job`: an id. `since`: the earliest time of detection."""

    accounts: Collection[str] | None = None
    job: str | None = None
    types: frozenset[EventType] | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in the order of their positions, each with its job as it stands now.

    `reached`: up to which position all that fits the filter is on this page or on one before it.
    `more`: whether the ledger holds positions beyond that.
    """

    events: Sequence[tuple[Job, Event]]
    reached: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """`newest`: of all events ever recorded, 0 before the first; no position is given twice.

    `forgotten`: of the newest event that went with its job, deleted jobs aside, which nobody is to hear of.
    """

    newest: int = 0
    forgotten: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries to read. `sink`: a name, or `callback` for all callbacks; None: all.

    `since` (inclusive), `until` (exclusive): when the event became owed; None: no bound.
    """

    state: DeliveryState
    sink: str | None = None
    since: float | None = None
    until: float | None = None
