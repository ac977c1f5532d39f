"""What may stand behind the question mark: models for the query strings, and the cursor of a list."""

import base64
from collections.abc import Iterable
from typing import Annotated, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from relay.core.job import Cursor
from relay.intake.problems import Code, Fault, invalid
from relay.intake.validation import faults

WAIT_SECONDS_MAX = 60
PAGE_MAX = 1000


def encode_cursor(cursor: Cursor) -> str:
    """Opaque to clients: base64url without padding, of the JSON list of its fields."""
    return base64.urlsafe_b64encode(orjson.dumps([cursor.tracked_at, cursor.account, cursor.id])).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Raises ValueError: not something `encode_cursor` wrote."""
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    match orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
        case [float() | int() as tracked_at, str() as account, str() as job_id]:
            return Cursor(tracked_at=tracked_at, account=account, id=job_id)
    raise ValueError("not the fields of a cursor")


def _cursor(text: str) -> Cursor:
    try:
        return decode_cursor(text)
    except ValueError:
        raise PydanticCustomError("cursor", "not a cursor that a page of this list gave") from None


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
    limit: int = Field(100, ge=1, le=PAGE_MAX, description="How many at most.")
    cursor: Annotated[Cursor, PlainValidator(_cursor), WithJsonSchema({"type": "string"})] | None = Field(
        None, description="Where the page before ended, from its `cursor`."
    )


Query = TypeVar("Query", ReadQuery, ListQuery)


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
