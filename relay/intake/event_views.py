"""How events look in a page: the models that the API description shows, and the rendering."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import Field

from relay.core.job import EventType, Outcome
from relay.core.place import Place
from relay.errors import Reason
from relay.intake.opaque import write_place
from relay.intake.views import ItemCounts, Shown, Timestamp


class EventData(Shown):
    """What an event tells."""

    account: str
    job_id: str
    job_status: dict[str, Any] | None = Field(description="Zendesk's object as received.")
    previous_status: str | None
    outcome: Outcome | None = Field(description="What became of the job; null until it has ended.")
    items: ItemCounts
    reason: Reason | None
    metadata: dict[str, Any]
    tracked_at: Timestamp
    detected_at: Timestamp
    completed_at: str | None
    results_truncated: bool


class CloudEvent(Shown):
    """An event as every sink gets it."""

    specversion: Literal["1.0"]
    id: str = Field(description="The same whenever and however the event comes.")
    source: str
    type: EventType
    subject: str = Field(description="The job's id.")
    time: Timestamp
    datacontenttype: str
    dataschema: str
    partitionkey: str
    sequence: str = Field(description="Per job, rising.")
    traceparent: str | None = Field(None, description="Left out where the submitter gave none.")
    data: EventData


class EventList(Shown):
    """Events; those of one job, and all of one account, in the order in which they were recorded."""

    events: list[CloudEvent]
    cursor: str = Field(description="For the next page, now or later: what is recorded from here on.")
    more: bool = Field(description="Whether the next page is there already.")


def page(events: Sequence[bytes], reached: Place, *, more: bool) -> bytes:
    """An `EventList`. `events`: rendered. `reached`: up to which place all is told."""
    fragments = [orjson.Fragment(event) for event in events]
    return orjson.dumps({"events": fragments, "cursor": write_place(reached), "more": more})
