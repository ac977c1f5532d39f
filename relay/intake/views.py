"""How jobs and accounts look from outside: the models that the API description shows, and the rendering."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from relay.core.delivery import Delivery, DeliveryState
from relay.core.events import timestamp
from relay.core.job import Job, Outcome
from relay.core.record import JobView
from relay.core.standing import AccountStanding
from relay.errors import Reason
from relay.intake.opaque import write_delivery_id

Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class Shown(BaseModel):
    """Every field is always there; null: not known (yet)."""

    model_config = ConfigDict(extra="forbid")


class ItemCounts(Shown):
    total: int | None
    succeeded: int | None
    failed: int | None


class DeliveryDetails(Shown):
    """What one sink has got, or gets next."""

    id: str = Field(description="To retry it by.")
    sink: str = Field(description="A configured one, or `callback:`, the origin of a callback, and a hash of its url.")
    state: DeliveryState
    sequence: int = Field(description="Of the event that is owed while pending, else of the last one dealt with.")
    attempts: int
    next_attempt_at: Timestamp | None
    settled_at: Timestamp | None
    error: str | None


class JobSummary(Shown):
    """A tracked job."""

    account: str
    id: str
    state: str = Field(description="`pending` until first seen, then Zendesk's own word, or `expired` or `lost`.")
    terminal: bool
    outcome: Outcome | None = Field(description="What became of it; null until it has ended.")
    job_status: dict[str, Any] | None = Field(description="Zendesk's object as last seen.")
    results_truncated: bool = Field(description="Whether `job_status.results` was cut to fit.")
    items: ItemCounts
    sequence: int = Field(description="Of the newest event, 0 before the first.")
    tracked_at: Timestamp
    detected_at: Timestamp | None
    completed_at: str | None = Field(description="Zendesk's own words.")
    metadata: dict[str, Any]


class JobDetails(JobSummary):
    """A tracked job with its plans and deliveries."""

    next_poll_at: Timestamp | None
    deliveries: list[DeliveryDetails]


class JobPage(Shown):
    """Jobs, newest first."""

    jobs: list[JobSummary]
    cursor: str | None = Field(description="For the next page; null: this is the last one.")


class AccountDetails(Shown):
    """An account that is configured, or one that is not (any more) and has live jobs.

    With the Kafka ledger, the replica that watches an account's jobs knows it best: on any other, what is told by
    Zendesk or decided there is null.
    """

    name: str
    limit: int | None = Field(description="The account's requests per minute, as Zendesk last told.")
    remaining: int | None = Field(description="How many of them were left in this minute, as Zendesk last told.")
    ceiling: float | None = Field(description="Relay's own most requests per minute; null: not configured.")
    live_jobs: int
    oldest_unseen_seconds: float | None = Field(description="Since the look at the job that has waited longest.")
    paused: bool | None = Field(description="Null: another replica knows.")
    reason: Reason | None = Field(description="Why it is paused.")


class AccountList(Shown):
    """Accounts by name."""

    accounts: list[AccountDetails]


def details(view: JobView) -> bytes:
    """A `JobDetails`."""
    fields = _summary(view.job)
    fields["next_poll_at"] = None if view.job.terminal else time(view.next_poll_at)
    fields["deliveries"] = [_delivery(delivery) for delivery in view.deliveries]
    return orjson.dumps(fields)


def page(jobs: Sequence[Job], cursor: str | None) -> bytes:
    """A `JobPage`."""
    return orjson.dumps({"jobs": [_summary(job) for job in jobs], "cursor": cursor})


def accounts(standings: Iterable[AccountStanding]) -> bytes:
    """An `AccountList`."""
    ordered = sorted(standings, key=attrgetter("name"))
    return orjson.dumps({"accounts": [_account(standing) for standing in ordered]})


def _account(standing: AccountStanding) -> dict[str, Any]:
    return {
        "name": standing.name,
        "limit": standing.limit,
        "remaining": standing.remaining,
        "ceiling": standing.ceiling_per_minute,
        "live_jobs": standing.live_jobs,
        "oldest_unseen_seconds": _oldest_unseen(standing),
        "paused": None if standing.elsewhere and standing.trouble is None else standing.trouble is not None,
        "reason": standing.trouble,
    }


def _oldest_unseen(standing: AccountStanding) -> float | None:
    return round(standing.stale_seconds, 3) if standing.live_jobs and not standing.elsewhere else None


def time(seconds: float | None) -> str | None:
    """A `Timestamp`."""
    return None if seconds is None else timestamp(seconds)


def _summary(job: Job) -> dict[str, Any]:
    items = job.items
    return {
        "account": job.account,
        "id": job.id,
        "state": job.state,
        "terminal": job.terminal,
        "outcome": job.outcome,
        "job_status": None if job.job_status is None else orjson.Fragment(job.job_status),
        "results_truncated": job.results_truncated,
        "items": {"total": items.total, "succeeded": items.succeeded, "failed": items.failed},
        "sequence": job.sequence,
        "tracked_at": time(job.tracked_at),
        "detected_at": time(job.detected_at),
        "completed_at": job.completed_at,
        "metadata": orjson.Fragment(job.metadata),
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    pending = delivery.state is DeliveryState.PENDING
    return {
        "id": write_delivery_id(delivery.key),
        "sink": delivery.sink,
        "state": delivery.state,
        "sequence": delivery.sequence,
        "attempts": delivery.attempts,
        "next_attempt_at": time(delivery.due_at) if pending else None,
        "settled_at": time(delivery.settled_at),
        "error": delivery.error,
    }
