"""What may stand behind the question mark: models for the query strings."""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from relay.core.delivery import DeliveryKey
from relay.core.events import short_name, types_named
from relay.core.job import Cursor, EventType
from relay.core.place import Place
from relay.intake.moments import moment
from relay.intake.opaque import read_deliveries_cursor, read_jobs_cursor, read_place
from relay.intake.problems import Code, Fault, invalid
from relay.intake.validation import faults

WAIT_SECONDS_MAX = 60
PAGE_MAX = 1000
NOT_A_CURSOR = "not a cursor that a page of this list gave"
NOT_A_MOMENT = "must be a time such as 2026-02-03T04:05:06Z (write + as %2B)"
NOT_A_TYPE = f"must be terminal, * or of {', '.join(map(short_name, EventType))}; several with commas between them"

Parsed = TypeVar("Parsed")


def parsed(read: Callable[[str], Parsed], otherwise: str) -> PlainValidator:
    """What `read` makes of the text; `otherwise`: what to say where it raises ValueError."""

    def validate(text: object) -> Parsed:
        try:
            if isinstance(text, str):
                return read(text)
        except ValueError:
            pass
        raise PydanticCustomError("unreadable", "{otherwise}", {"otherwise": otherwise})

    return PlainValidator(validate)


def _types(names: str) -> frozenset[EventType]:
    chosen = [types_named(name.strip()) for name in names.split(",")]
    if not all(chosen):
        raise ValueError("no such type")
    return frozenset().union(*chosen)


TEXT = WithJsonSchema({"type": "string"})
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX, description="How many at most.")]
Moment = Annotated[
    float, parsed(moment, NOT_A_MOMENT), WithJsonSchema({"type": "string", "examples": ["2026-02-03T04:05:06Z"]})
]
Types = Annotated[
    frozenset[EventType],
    parsed(_types, NOT_A_TYPE),
    WithJsonSchema({"type": "string", "examples": ["terminal", "zendesk.job.failed,zendesk.job.killed"]}),
]
JobsCursor = Annotated[Cursor, parsed(read_jobs_cursor, NOT_A_CURSOR), TEXT]
EventsCursor = Annotated[Place, parsed(read_place, NOT_A_CURSOR), TEXT]
DeliveriesCursor = Annotated[DeliveryKey, parsed(read_deliveries_cursor, NOT_A_CURSOR), TEXT]


class ReadQuery(BaseModel):
    """How to look up one job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wait: float = Field(
        0,
        ge=0,
        le=WAIT_SECONDS_MAX,
        allow_inf_nan=False,
        description="Answer when the job ends, or after these seconds.",
    )


class ListQuery(BaseModel):
    """Which jobs to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str | None = Field(None, description="Only this account's jobs.")
    state: str | None = Field(None, description="Only jobs in this state, as the job shows it.")
    limit: Limit = 100
    cursor: JobsCursor | None = Field(None, description="Where the page before ended, from its `cursor`.")


class EventQuery(BaseModel):
    """Which events to read, and from where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str | None = Field(None, description="Only this account's events.")
    job: str | None = Field(None, description="Only events of jobs with this id.")
    type: Types | None = Field(None, description="Only these types: full or short names, patterns, or `terminal`.")
    since: Moment | None = Field(None, description="Only what was detected at this time or later; RFC 3339.")
    limit: Limit = 100
    cursor: EventsCursor | None = Field(
        None, description="Where the page before ended, from its `cursor`, or an event's `id` in the stream."
    )


class DeliveryQuery(BaseModel):
    """Which deliveries to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["pending", "dead"] = Field("dead", description="Only those in this state.")
    sink: str | None = Field(None, description="Only to this sink; `callback`: to all callbacks.")
    since: Moment | None = Field(None, description="Only those owed since this time or later; RFC 3339.")
    until: Moment | None = Field(None, description="Only those owed since before this time; RFC 3339.")
    limit: Limit = 100
    cursor: DeliveriesCursor | None = Field(None, description="Where the page before ended, from its `cursor`.")


Query = TypeVar("Query", ReadQuery, ListQuery, EventQuery, DeliveryQuery)


def read(model: type[Query], pairs: Iterable[tuple[str, str]]) -> Query:
    """The query string's meaning; an empty value is the same as leaving it out. Raises Problem 422."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise invalid([_fault(f"{name[:64]}: given twice")])
        if value:
            given[name] = value
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise invalid(list(faults(error, tuple(model.model_fields), None, None))) from None


def _fault(detail: str) -> Fault:
    return Fault(index=None, pointer=None, code=Code.INVALID_FIELD, detail=detail)
