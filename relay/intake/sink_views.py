"""How sinks and deliveries look from outside: the models that the API description shows, and the rendering."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from pydantic import Field

from relay.core.delivery import Attempt, Delivery, DeliveryKey, DeliveryState
from relay.core.events import event_id
from relay.core.job import EventType, Job
from relay.core.standing import SinkStanding, SinkState
from relay.intake.opaque import write_deliveries_cursor, write_delivery_id
from relay.intake.views import Shown, Timestamp, time


class SinkDetails(Shown):
    """Who receives events. All callbacks together are the sink `callback`."""

    name: str
    kind: str
    state: SinkState = Field(description="`paused`, and `disabled` by a 410, until it is resumed.")
    since: Timestamp | None = Field(description="When it came into this state; null: from the start.")
    error: str | None = Field(description="Why it is not active.")
    pending: int
    dead: int
    oldest_pending_since: Timestamp | None = Field(description="Since when the oldest pending delivery is owed.")


class SinkList(Shown):
    """All sinks."""

    sinks: list[SinkDetails]


class TrialResult(Shown):
    """How the attempt to send a `relay.test` went."""

    delivered: bool
    detail: str | None = Field(description="What the receiver answered, or what went wrong.")


class Recovered(Shown):
    recovered: int = Field(description="How many deliveries are owed again.")


class OwedEvent(Shown):
    id: str
    type: EventType
    sequence: int


class DeliveryListing(Shown):
    """What a sink is owed, or was not delivered."""

    id: str = Field(description="To retry it by.")
    account: str
    job_id: str
    sink: str
    state: DeliveryState
    event: OwedEvent | None = Field(description="Null: the sink's subscription has changed since.")
    attempts: int
    error: str | None = Field(description="Of the last attempt.")
    since: Timestamp = Field(description="When the event became owed.")
    next_attempt_at: Timestamp | None
    settled_at: Timestamp | None


class DeliveryList(Shown):
    """Deliveries of the newest jobs first."""

    deliveries: list[DeliveryListing]
    cursor: str | None = Field(description="For the next page; null: this is the last one.")


class Retried(Shown):
    """The delivery is attempted as soon as its sink allows."""

    id: str
    href: str = Field(description="The job, which shows how it went.")


def sinks(standings: Iterable[SinkStanding]) -> bytes:
    """A `SinkList`."""
    return orjson.dumps({"sinks": [_sink(standing) for standing in standings]})


def sink(standing: SinkStanding) -> bytes:
    """A `SinkDetails`."""
    return orjson.dumps(_sink(standing))


def _sink(standing: SinkStanding) -> dict[str, Any]:
    return {
        "name": standing.name,
        "kind": standing.kind,
        "state": standing.state,
        "since": time(standing.since),
        "error": standing.error,
        "pending": standing.pending,
        "dead": standing.dead,
        "oldest_pending_since": time(standing.oldest_pending_since),
    }


def trial_result(attempt: Attempt) -> bytes:
    """A `TrialResult`."""
    detail = ": ".join(filter(None, (attempt.reason, attempt.detail)))
    return orjson.dumps({"delivered": attempt.reason is None, "detail": detail or None})


def recovered(count: int) -> bytes:
    """A `Recovered`."""
    return orjson.dumps({"recovered": count})


def deliveries(rows: Sequence[tuple[Delivery, Job]], after: DeliveryKey | None) -> bytes:
    """A `DeliveryList`. `after`: where the page ended; None: it is the last."""
    cursor = None if after is None else write_deliveries_cursor(after)
    return orjson.dumps({"deliveries": [_delivery(delivery, job) for delivery, job in rows], "cursor": cursor})


def _delivery(delivery: Delivery, job: Job) -> dict[str, Any]:
    pending = delivery.state is DeliveryState.PENDING
    return {
        "id": write_delivery_id(delivery.key),
        "account": delivery.account,
        "job_id": delivery.job_id,
        "sink": delivery.sink,
        "state": delivery.state,
        "event": _event(delivery, job),
        "attempts": delivery.attempts,
        "error": delivery.error,
        "since": time(delivery.since),
        "next_attempt_at": time(delivery.due_at) if pending else None,
        "settled_at": time(delivery.settled_at),
    }


def _event(delivery: Delivery, job: Job) -> dict[str, Any] | None:
    """The event that the row names. Newer progress, of which the row is not told, may have taken its place."""
    event = next((event for event in job.events if event.sequence >= delivery.sequence), None)
    if event is None:
        return None
    return {"id": event_id(job, event), "type": event.type, "sequence": event.sequence}


def retried(key: DeliveryKey, href: str) -> bytes:
    """A `Retried`."""
    return orjson.dumps({"id": write_delivery_id(key), "href": href})
