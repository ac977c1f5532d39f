"""What may be submitted: the models that check it, the same that the API description shows, and the parser."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ConfigDict, Field, SkipValidation, StringConstraints, ValidationError

from relay.core.job import EMPTY_METADATA, TrackRequest
from relay.intake.decoding import decode
from relay.intake.problems import Code, Fault, Problem, Refused, invalid
from relay.intake.validation import faults

JOBS_MAX = 1000
METADATA_KEYS_MAX = 50
METADATA_BYTES_MAX = 16 * 1024

JobId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
Url = Annotated[str, StringConstraints(max_length=2048)]
MetadataKey = Annotated[str, StringConstraints(max_length=128)]


class Submission(BaseModel):
    """What may stand beside the job's id; null is the same as leaving it out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    account: str | None = Field(
        None, description="Name of a configured account. Else the one whose host the url has, else the only one."
    )
    metadata: dict[MetadataKey, Any] | None = Field(
        None,
        max_length=METADATA_KEYS_MAX,
        description="Comes back in every event of the job. At most 16 KiB of JSON.",
    )
    callback_url: Url | None = Field(None, description="Not available yet: answered with callback_not_allowed.")


class Item(Submission):
    """A job by its id."""

    id: JobId


class JobStatus(BaseModel):
    """Zendesk's job status object. Only the id and the host of the url are read; the url is never called."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    id: JobId
    url: Url | None = None


class Reply(Submission):
    """Zendesk's own reply, as it is. What else stands in it is ignored."""

    model_config = ConfigDict(extra="ignore")

    job_status: JobStatus


class Many(BaseModel):
    """Several jobs: all are accepted, or none."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    # The items are checked one by one, so that every fault of every item can be told
    jobs: Annotated[list[SkipValidation[Item | Reply]], Field(min_length=1, max_length=JOBS_MAX)]


Resolve = Callable[[str | None, str | None], str]


def parse(raw: bytes, *, resolve: Resolve, traceparent: str | None = None) -> list[TrackRequest]:
    """The jobs of a body, in its order. `resolve`: from account and url to the account's name; raises Refused.

    Raises Problem: 400 when it is not JSON, 422 with every bad item when any is bad.
    """
    body = decode(raw)
    if isinstance(body, dict) and "jobs" in body:
        items, prefix = _many(body), "/jobs/{}"
    else:
        items, prefix = [body], ""
    requests: list[TrackRequest] = []
    found: list[Fault] = []
    for index, item in enumerate(items):
        model: type[Item | Reply] = Reply if isinstance(item, dict) and "job_status" in item else Item
        try:
            requests.append(_request(model.model_validate(item), resolve, traceparent))
        except ValidationError as error:
            found.extend(faults(error, model, index, prefix.format(index)))
        except Refused as refused:
            pointer = prefix.format(index) + refused.at
            found.append(Fault(index=index, pointer=pointer, code=refused.code, detail=refused.detail))
    if found:
        raise invalid(found)
    return requests


def _many(body: dict[str, Any]) -> Sequence[Any]:
    try:
        return Many.model_validate(body).jobs
    except ValidationError as error:
        if any(each["type"] == "too_long" for each in error.errors(include_url=False, include_input=False)):
            raise _too_many(len(body["jobs"])) from None
        raise invalid(list(faults(error, Many, None, ""))) from None


def _too_many(count: int) -> Problem:
    detail = f"{count} jobs in one request; at most {JOBS_MAX} are taken"
    return invalid([Fault(index=None, pointer="/jobs", code=Code.TOO_MANY_JOBS, detail=detail)])


def _request(item: Item | Reply, resolve: Resolve, traceparent: str | None) -> TrackRequest:
    if item.callback_url is not None:
        detail = "this relay does not allow callbacks; its configured sinks receive the events"
        raise Refused(Code.CALLBACK_NOT_ALLOWED, "/callback_url", detail)
    job_id, url = (item.id, None) if isinstance(item, Item) else (item.job_status.id, item.job_status.url)
    return TrackRequest(
        account=resolve(item.account, url),
        id=job_id,
        metadata=_encoded(item.metadata) if item.metadata else EMPTY_METADATA,
        traceparent=traceparent,
    )


def _encoded(metadata: dict[str, Any]) -> bytes:
    encoded = orjson.dumps(metadata)
    if len(encoded) > METADATA_BYTES_MAX:
        detail = f"metadata: {len(encoded)} bytes as JSON; at most {METADATA_BYTES_MAX} are taken"
        raise Refused(Code.INVALID_FIELD, "/metadata", detail)
    return encoded


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
                    "href": f"{_jobs_of(request.account)}{request.id}",
                }
                for request, new in zip(requests, created, strict=True)
            ]
        }
    )


@lru_cache(maxsize=1024)
def _jobs_of(account: str) -> str:
    return f"/v1/jobs/{quote(account, safe='')}/"
