"""What the shard needs from the other rooms, each as narrow as its user; and the settings it is given."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from relay.core.delivery import Attempt, Delivery, DeliveryKey, Schedule, Subscription
from relay.core.events import CloudEvent
from relay.core.job import Cursor, Job, JobKey
from relay.core.observe import Rules
from relay.core.pacing import Rate
from relay.core.record import Backlog, Batch, DeliveryFilter, EventFilter, EventPage, Positions, Retention
from relay.core.tokens import Grant, TokenRequest
from relay.core.zendesk import NoResponse, Request, Response


class Clock(Protocol):
    def now(self) -> float:
        """Wall clock that never jumps, seconds since the epoch."""

    def monotonic(self) -> float: ...


class Zendesk(Protocol):
    async def get(self, request: Request) -> Response | NoResponse:
        """One request to one account. Raises nothing but cancellation."""

    async def post(self, request: TokenRequest) -> Response | NoResponse:
        """Ask for an access token; only of accounts that have a grant. Raises nothing but cancellation."""


class Sink(Protocol):
    def prepare(self, event: CloudEvent) -> Any:  # noqa: ANN401 - each sink has its own kind of message
        """What `send` takes: all of it that can be made ahead."""

    async def send(self, message: Any) -> Attempt:  # noqa: ANN401
        """One attempt. Raises nothing but cancellation."""

    async def close(self) -> None: ...


class CallbackSinks(Protocol):
    """Who delivers to the receivers that submitters name. `configured`: whether any url could be allowed."""

    @property
    def configured(self) -> bool: ...

    def sink_for(self, url: str) -> Sink | None:
        """None: the configuration does not allow this url (any more). Called for each delivery; nobody closes it."""


class Recorder(Protocol):
    async def delivery(self, key: DeliveryKey) -> tuple[Delivery, Job] | None: ...

    async def deliveries(
        self, wanted: DeliveryFilter, after: DeliveryKey | None, limit: int
    ) -> Sequence[tuple[Delivery, Job]]: ...

    async def commit(self, batch: Batch) -> None:
        """May raise AlreadyKnown or LedgerError."""


class Outbox(Protocol):
    """What is owed to an endpoint. Any call may raise LedgerError."""

    async def due(
        self, endpoint: str, now: float, limit: int, *, after: Delivery | None = None
    ) -> Sequence[tuple[Delivery, Job]]: ...

    async def next_due(self, endpoint: str, after: float) -> float | None: ...

    async def overaged(self, endpoint: str, owed_before: float, limit: int) -> Sequence[tuple[Delivery, Job]]: ...


class Backlogs(Outbox, Protocol):
    async def backlog(self) -> Mapping[str, Backlog]: ...


class Record(Recorder, Backlogs, Protocol):
    async def find(self, keys: Collection[JobKey]) -> Mapping[JobKey, Job]: ...

    async def live(self, after: Job | None, limit: int) -> Sequence[tuple[Job, Sequence[Delivery]]]: ...

    async def deliveries_of(self, job: Job) -> Sequence[Delivery]: ...

    async def page(
        self, *, accounts: Collection[str] | None, state: str | None, after: Cursor | None, limit: int
    ) -> Sequence[Job]: ...

    async def marks(self) -> Mapping[str, bytes]: ...

    async def events(self, wanted: EventFilter, after: int, limit: int) -> EventPage: ...

    async def position_before(self, moment: float) -> int: ...

    async def positions(self) -> Positions: ...

    async def forget(self, retention: Retention, limit: int) -> int: ...


class Metrics(Protocol):
    def request(self, account: str, outcome: str, seconds: float) -> None: ...

    def rate_waited(self, account: str, seconds: float) -> None: ...

    def event(self, kind: str, outcome: str) -> None: ...

    def detected(self, account: str, lag_seconds: float) -> None: ...

    def looked(self, unseen_seconds: Collection[float]) -> None:
        """A reply told of jobs of which nothing was heard for so long."""

    def delivery(self, sink: str, outcome: str, seconds: float, count: int = 1) -> None:
        """So many attempts, of which each took so long."""

    def commit(self, outcome: str, seconds: float) -> None: ...


class Log(Protocol):
    def debug(self, event: str, /, **fields: Any) -> Any: ...  # noqa: ANN401 - structlog's own signature

    def info(self, event: str, /, **fields: Any) -> Any: ...  # noqa: ANN401

    def warning(self, event: str, /, **fields: Any) -> Any: ...  # noqa: ANN401

    def error(self, event: str, /, **fields: Any) -> Any: ...  # noqa: ANN401


class Heartbeat(Protocol):
    def __call__(self, loop: str, /) -> None:
        """The loop of this name has finished an iteration, successful or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """When jobs are looked at and given up. Seconds throughout."""

    fresh_within_seconds: float = 2.0
    lost_after_seconds: float = 300.0
    expire_after_seconds: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`source`: the CloudEvents source of its jobs' events. `grant`: None: no token needs to be asked for."""

    name: str
    source: str
    rate: Rate
    polling: Polling
    zendesk: Zendesk
    grant: Grant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A sink and what it wants. `kind`: as configured. `concurrency`: attempts at once.

    `rate_per_second`: of attempts; None: as fast as it takes them.
    """

    subscription: Subscription
    sink: Sink
    schedule: Schedule
    concurrency: int
    kind: str = "webhook"
    rate_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`polling`: of accounts that are not configured (any more). `keep_…`: ended jobs and dead deliveries."""

    rules: Rules
    polling: Polling
    keep_finished_seconds: float = 604_800.0
    keep_dead_seconds: float = 1_209_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every loop of the shard is handed. `random`: for jitter."""

    clock: Clock
    random: Random
    metrics: Metrics
    log: Log
    beat: Heartbeat
