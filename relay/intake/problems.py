"""What a caller is told when a call does not work: RFC 9457 problem documents with a closed set of codes."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from relay.errors import LedgerError, Reason, RelayError, Unavailable

CONTENT_TYPE = "application/problem+json"


class Code(StrEnum):
    """For programs to branch on. The set is part of the contract: clients may know it by heart."""

    INVALID_JSON = "invalid_json"
    INVALID_FIELD = "invalid_field"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    TOO_MANY_JOBS = "too_many_jobs"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_REQUIRED = "account_required"
    CALLBACK_NOT_ALLOWED = "callback_not_allowed"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CURSOR_EXPIRED = "cursor_expired"
    OVERLOADED = "overloaded"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    DRAINING = "draining"


TITLES: Mapping[Code, str] = {
    Code.INVALID_JSON: "The body is not readable JSON",
    Code.INVALID_FIELD: "The request does not hold what it should",
    Code.UNSUPPORTED_MEDIA_TYPE: "The body must be plain JSON",
    Code.BODY_TOO_LARGE: "The body is too large",
    Code.TOO_MANY_JOBS: "Too many jobs in one request",
    Code.UNKNOWN_ACCOUNT: "No such account",
    Code.ACCOUNT_REQUIRED: "The account is not clear",
    Code.CALLBACK_NOT_ALLOWED: "This callback is not allowed",
    Code.UNAUTHORIZED: "A valid API key is required",
    Code.FORBIDDEN: "The API key may not do this",
    Code.NOT_FOUND: "Not found",
    Code.CURSOR_EXPIRED: "Events after this cursor may be forgotten",
    Code.OVERLOADED: "Too much at once",
    Code.LEDGER_UNAVAILABLE: "Nothing can be recorded now",
    Code.DRAINING: "Shutting down",
}


class Fault(BaseModel):
    """One thing that is wrong with the request."""

    model_config = ConfigDict(frozen=True)

    index: int | None = Field(description="Which item of the request, from 0; null: none in particular.")
    pointer: str | None = Field(description="JSON Pointer (RFC 6901) into the body; null: not in the body.")
    code: Code
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="`urn:relay:problem:` and the code.")
    title: str
    status: int
    code: Code
    detail: str
    errors: Sequence[Fault] = Field(description="Every fault found, where there are several or they have a place.")


class Problem(RelayError):  # noqa: N818 - RFC 9457's word
    """A call that is answered with a problem document. `headers`: what the answer carries beside it."""

    def __init__(
        self,
        status: int,
        code: Code,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        # It may quote a header, and bytes of one that are not UTF-8 come as what cannot be encoded.
        self.detail = detail.encode(errors="replace").decode()
        self.faults = faults
        self.headers = headers or {}

    def document(self) -> bytes:
        return (
            ProblemDocument(
                type=f"urn:relay:problem:{self.code}",
                title=TITLES[self.code],
                status=self.status,
                code=self.code,
                detail=self.detail,
                errors=self.faults,
            )
            .model_dump_json()
            .encode()
        )


class Refused(RelayError):  # noqa: N818 - says what it is
    """One item that cannot be taken. `at`: JSON Pointer from the item on."""

    def __init__(self, code: Code, at: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.at = at
        self.detail = detail


def invalid(faults: Sequence[Fault]) -> Problem:
    """422: well-formed, but not acceptable. The code is the faults' own where they agree."""
    codes = {fault.code for fault in faults}
    code = codes.pop() if len(codes) == 1 else Code.INVALID_FIELD
    detail = faults[0].detail if len(faults) == 1 else f"{len(faults)} faults, listed in errors; nothing was accepted"
    return Problem(422, code, detail, faults=faults)


def unavailable(error: Unavailable | LedgerError) -> Problem:
    """429 or 503 with Retry-After in whole seconds: nothing was accepted, and the same call may work later."""
    if isinstance(error, LedgerError):
        return _later(503, Code.LEDGER_UNAVAILABLE, "the ledger does not answer", 1)
    if error.reason is Reason.OVERLOADED:
        return _later(429, Code.OVERLOADED, str(error), error.retry_after_seconds)
    code = Code.DRAINING if error.reason is Reason.DRAINING else Code.LEDGER_UNAVAILABLE
    return _later(503, code, str(error), error.retry_after_seconds)


def _later(status: int, code: Code, detail: str, seconds: float) -> Problem:
    return Problem(status, code, detail, headers={"Retry-After": str(max(1, math.ceil(seconds)))})
