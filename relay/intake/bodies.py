"""What may be submitted: the models that check it, the same that the API description shows, and the parser."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any, NotRequired, get_type_hints
from urllib.parse import quote

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from relay.core.allowlist import Allowlist, NotAllowed
from relay.core.callbacks import CallbacksFull
from relay.core.job import EMPTY_METADATA, TrackRequest, trim
from relay.intake.decoding import decode
from relay.intake.problems import Code, Fault, Problem, Refused, invalid
from relay.intake.validation import faults

JOBS_MAX = 1000
METADATA_KEYS_MAX = 50
METADATA_BYTES_MAX = 16 * 1024
EACH = "/jobs/{}"  # JSON Pointer to an item of several

JobId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Url = Annotated[str, StringConstraints(max_length=2048)]
Metadata = Annotated[dict[str, Any], Field(max_length=METADATA_KEYS_MAX)]


class Submission(TypedDict, total=False):
    """What may stand beside the job's id; null is the same as leaving it out."""

    account: Annotated[
        str | None,
        Field(description="Name of a configured account. Else the one whose host the url has, else the only one."),
    ]
    metadata: Annotated[
        Metadata | None,
        Field(description="Comes back in every event of the job: at most 50 keys, and 16 KiB as JSON."),
    ]
    callback_url: Annotated[
        Url | None,
        Field(description="Who shall hear how the job ended, too; where its host is allowed. At most 16 for one job."),
    ]


@with_config(ConfigDict(strict=True, extra="forbid"))
class Item(Submission):
    """A job by its id."""

    id: JobId


@with_config(ConfigDict(strict=True, extra="ignore"))
class JobStatus(TypedDict):
    """Zendesk's job status object. Only the id and the host of the url are read; the url is never called."""

    id: JobId
    url: NotRequired[Url | None]


@with_config(ConfigDict(strict=True, extra="ignore"))
class Reply(Submission):
    """Zendesk's own reply, as it is. What else stands in it is ignored."""

    job_status: JobStatus


@with_config(ConfigDict(strict=True, extra="forbid"))
class Many(TypedDict):
    """Several jobs: all are accepted, or none."""

    # The items are checked one by one, so that every fault of every item can be told
    jobs: Annotated[list[SkipValidation[Item | Reply]], Field(min_length=1, max_length=JOBS_MAX)]


ITEM, REPLY, MANY = TypeAdapter(Item), TypeAdapter(Reply), TypeAdapter(Many)
CHECK_ITEM: Callable[[object], Item] = ITEM.validator.validate_python
CHECK_REPLY: Callable[[object], Reply] = REPLY.validator.validate_python
ITEM_NAMES = (*get_type_hints(Item), "job_status")
MANY_NAMES = tuple(get_type_hints(Many))

Resolve = Callable[[str | None, str | None], str]


def parse(raw: bytes, *, resolve: Resolve, callbacks: Allowlist, traceparent: str | None = None) -> list[TrackRequest]:
    """The jobs of a body, in its order. `resolve`: from account and url to the account's name; raises Refused.

    Raises Problem: 400 when it is not JSON, 422 with every bad item when any is bad.
    """
    body = decode(raw)
    items, prefix = (_many(body), EACH) if _is_many(body) else ([body], "")
    requests: list[TrackRequest] = []
    found: list[Fault] = []
    for index, item in enumerate(items):
        try:
            requests.append(_request(item, resolve, callbacks, traceparent))
        except ValidationError as error:
            found.extend(faults(error, ITEM_NAMES, index, prefix.format(index)))
        except Refused as refused:
            pointer = prefix.format(index) + refused.at
            found.append(Fault(index=index, pointer=pointer, code=refused.code, detail=refused.detail))
    if found:
        raise invalid(found)
    return requests


def parse_one(raw: bytes, *, resolve: Resolve, callbacks: Allowlist, traceparent: str | None = None) -> TrackRequest:
    """The job of a body that is one item. As `parse` otherwise."""
    item = decode(raw)
    try:
        return _request(item, resolve, callbacks, traceparent)
    except ValidationError as error:
        raise invalid(list(faults(error, ITEM_NAMES, None, ""))) from None
    except Refused as refused:
        raise invalid([Fault(index=None, pointer=refused.at, code=refused.code, detail=refused.detail)]) from None


def too_many_callbacks(raw: bytes, full: CallbacksFull) -> Problem:
    """What to say about a body that was parsed, when some of its items name a callback too many."""
    prefix = EACH if _is_many(decode(raw)) else ""
    return invalid(
        [
            Fault(
                index=index,
                pointer=f"{prefix.format(index)}/callback_url",
                code=Code.CALLBACK_NOT_ALLOWED,
                detail=f"callback_url: {full}, and this one has them",
            )
            for index in full.indexes
        ]
    )


def _is_many(body: object) -> bool:
    return isinstance(body, dict) and "jobs" in body


def _many(body: dict[str, Any]) -> Sequence[Any]:
    try:
        return MANY.validate_python(body)["jobs"]
    except ValidationError as error:
        if any(each["type"] == "too_long" for each in error.errors(include_url=False, include_input=False)):
            raise _too_many(len(body["jobs"])) from None
        raise invalid(list(faults(error, MANY_NAMES, None, ""))) from None


def _too_many(count: int) -> Problem:
    detail = f"{count} jobs in one request; at most {JOBS_MAX} are taken"
    return invalid([Fault(index=None, pointer="/jobs", code=Code.TOO_MANY_JOBS, detail=detail)])


def _request(
    item: Any,  # noqa: ANN401 - JSON
    resolve: Resolve,
    callbacks: Allowlist,
    traceparent: str | None,
) -> TrackRequest:
    """Raises ValidationError or Refused. Called a thousand times for one body, hence the validators themselves."""
    submission: Submission
    if isinstance(item, dict) and "job_status" in item:
        submission = reply = CHECK_REPLY(item)
        status = reply["job_status"]
        job_id, url = status["id"], status.get("url")
    else:
        submission = by_id = CHECK_ITEM(item)
        job_id, url = by_id["id"], None
    callback_url = submission.get("callback_url")
    if callback_url is not None:
        _check(callback_url, callbacks)
    metadata = submission.get("metadata")
    return TrackRequest(
        account=resolve(submission.get("account"), url),
        id=job_id,
        metadata=_encoded(metadata) if metadata else EMPTY_METADATA,
        traceparent=traceparent,
        callback_url=callback_url,
    )


def _check(callback_url: str, callbacks: Allowlist) -> None:
    try:
        callbacks.allowed(callback_url)
    except NotAllowed as refusal:
        raise Refused(Code.CALLBACK_NOT_ALLOWED, "/callback_url", f"callback_url: {refusal}") from None


def _encoded(metadata: dict[str, Any]) -> bytes:
    try:
        encoded = orjson.dumps(metadata)
    except orjson.JSONEncodeError:  # it reads more levels than it writes
        raise Refused(Code.INVALID_FIELD, "/metadata", "metadata: it is nested too deeply") from None
    if len(encoded) > METADATA_BYTES_MAX:
        detail = f"metadata: {len(encoded)} bytes as JSON; at most {METADATA_BYTES_MAX} are taken"
        raise Refused(Code.INVALID_FIELD, "/metadata", detail)
    return trim(encoded)


class SubmittedJob(BaseModel):
    account: str
    id: str
    result: Annotated[str, Field(json_schema_extra={"enum": ["created", "exists"]})]
    href: str = Field(description="Where to look the job up, relative to this server.")


class Submitted(BaseModel):
    """What became of the submitted jobs, in the order given."""

    jobs: list[SubmittedJob]


def submitted(requests: Sequence[TrackRequest], created: Sequence[bool]) -> bytes:
    """The body of the answer, a `Submitted`."""
    return orjson.dumps(
        {
            "jobs": [
                {
                    "account": request.account,
                    "id": request.id,
                    "result": "created" if new else "exists",
                    "href": href(request.account, request.id),
                }
                for request, new in zip(requests, created, strict=True)
            ]
        }
    )


def href(account: str, job_id: str) -> str:
    """The path of one job."""
    return f"{_jobs_of(account)}{job_id}"


@lru_cache(maxsize=1024)
def _jobs_of(account: str) -> str:
    return f"/v1/jobs/{quote(account, safe='')}/"
