"""The Job Statuses API as values: requests built, replies deciphered. Source: Zendesk's reference and recorded traffic.

Whatever comes back, `decipher` answers with a `Reply`; it raises nothing.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from relay.errors import Reason

IDS_MAX = 100  # no cap is documented for show_many; its siblings answer 400 above 100
STATUS_WORD_MAX = 64
RETRY_AFTER_SECONDS_MAX = 86_400.0  # after a day there is nothing left to ask for
DETAIL_MAX = 200
BUCKETS = ("zendesk-ratelimit-", "zendesk-rate-limit-")
WHOLE_NUMBER = re.compile(r"(\d{1,9})(?:\.0*)?", re.ASCII)
RECORD_NOT_FOUND = "RecordNotFound"


class Endpoint(StrEnum):
    SHOW_MANY = "show_many"
    SHOW = "show"


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """One GET. `path` is relative to the account's base_url and encoded (ids hold no character that needs it).

    `access_token`: signs it; None: what signs every request of the account does.
    """

    endpoint: Endpoint
    ids: Sequence[str]
    access_token: str | None = None

    @property
    def path(self) -> str:
        if self.endpoint is Endpoint.SHOW:
            return f"/api/v2/job_statuses/{self.ids[0]}.json"
        return f"/api/v2/job_statuses/show_many.json?ids={','.join(self.ids)}"

    def __repr__(self) -> str:
        """Without the token."""
        return f"{type(self).__name__}({self.endpoint}, ids={self.ids!r})"


class Response(Struct, frozen=True, kw_only=True, gc=False):
    """What the transport received: header names in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResponse:
    """Why the transport has nothing to show. `detail`: for people, no secret."""

    reason: Reason
    detail: str


class RateHeaders(Struct, frozen=True, kw_only=True, gc=False):
    """The account-wide limit as the reply told it; None where it did not. Requests per window, seconds to the reset."""

    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


NO_RATE = RateHeaders()
_Found = Mapping[str, dict[str, Any]]
_Encoded = Mapping[str, bytes]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Reply(Struct, frozen=True, kw_only=True, gc=False):
    """A reply deciphered. `reason` None: complete and authenticated, so an id missing from `found` is absent.

    `found`: Zendesk's objects by id, only ids that were asked for; may hold some even where `reason` is INCOMPLETE.
    `encoded`: the same as compact JSON, in which they are compared and recorded.
    `status`: None: there was no reply. `ids_max`: how many ids a request may hold, where that is why it was refused.
    """

    found: _Found = _NOTHING
    encoded: _Encoded = _NOTHING
    reason: Reason | None = None
    detail: str = ""
    status: int | None = None
    ids_max: int | None = None
    retry_after_seconds: float | None = None
    rate: RateHeaders = NO_RATE


def decipher(request: Request, response: Response | NoResponse, now: float) -> Reply:
    """What the response says about the ids that were asked for. `now`: wall clock, for a Retry-After as a date."""
    if isinstance(response, NoResponse):
        return Reply(reason=response.reason, detail=response.detail)
    rate, wait = rate_headers(response.headers), retry_after_seconds(response.headers, now)
    if response.status == 200:
        found, encoded, reason, detail = _decipher_body(request, response.body)
        return Reply(
            found=found,
            encoded=encoded,
            reason=reason,
            detail=detail,
            status=200,
            rate=rate,
            retry_after_seconds=wait,
        )
    return Reply(
        reason=refusal(response),
        detail=f"HTTP {response.status}: {_excerpt(response.body)}",
        status=response.status,
        ids_max=_ids_max(response) if response.status == 400 else None,
        rate=rate,
        retry_after_seconds=wait,
    )


def hearsay(reply: Reply) -> Reply:
    """The same from where the account is no longer: what it tells is so, but what it does not know proves nothing."""
    proof = reply.reason in {None, Reason.NOT_FOUND} or reply.status == 404
    return replace(reply, reason=Reason.INCOMPLETE, status=None) if proof else reply


def refusal(response: Response) -> Reason:
    """Why a response of any status but 200 says no."""
    match response.status:
        case 401:
            return Reason.UNAUTHORIZED
        case 403:
            return Reason.FORBIDDEN
        case 404:
            # Only Zendesk's own words speak of jobs; a dead subdomain, a proxy or another's web server has others.
            return Reason.NOT_FOUND if _is_record_not_found(response.body) else Reason.UNREADABLE
        case 400 | 413 | 414 | 422:
            return Reason.REFUSED
        case 429:
            return Reason.RATE_LIMITED
        case status if 300 <= status < 400:
            return Reason.REDIRECT
        case status if status >= 500:
            return Reason.SERVER_ERROR
        case _:
            return Reason.UNREADABLE


def _is_record_not_found(body: bytes) -> bool:
    return _error(body).get("error") == RECORD_NOT_FOUND


def _ids_max(response: Response) -> int | None:
    """`{"error":"TooManyValues","description":"…","max_count":100}`"""
    said = _error(response.body).get("max_count")
    return said if type(said) is int and said > 0 else None


def _error(body: bytes) -> dict[str, Any]:
    """Zendesk's usual error object; empty where it is none."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _decipher_body(request: Request, body: bytes) -> tuple[_Found, _Encoded, Reason | None, str]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return _NOTHING, _NOTHING, Reason.UNREADABLE, f"not JSON ({error}): {_excerpt(body)}"
    if not isinstance(answer, dict):
        return _NOTHING, _NOTHING, Reason.UNREADABLE, f"not a JSON object: {_excerpt(body)}"
    listed = answer.get("job_statuses") if request.endpoint is Endpoint.SHOW_MANY else _single(answer)
    if not isinstance(listed, list):
        return _NOTHING, _NOTHING, Reason.UNREADABLE, f"no job statuses in it: {_excerpt(body)}"
    found, reason, detail = _match(request, answer, listed)
    try:
        return found, _encode(found), reason, detail
    except TypeError:  # nested deeper than orjson writes, although it reads it
        listed = [entry if _is_writable(entry) else None for entry in listed]
        found, reason, detail = _match(request, answer, listed)
        return found, _encode(found), reason, detail


def _encode(found: _Found) -> _Encoded:
    return {job_id: orjson.dumps(job_status) for job_id, job_status in found.items()}


def _single(answer: dict[str, Any]) -> list[Any]:
    # One documented sample shows the bare object.
    return [answer.get("job_status", answer)]


def _match(request: Request, answer: dict[str, Any], listed: list[Any]) -> tuple[_Found, Reason | None, str]:
    try:
        # The common case first: every reply of every poll passes here.
        found: dict[str, dict[str, Any]] = {
            entry["id"]: entry
            for entry in listed
            if (status := entry["status"]).__class__ is str and 0 < len(status) <= STATUS_WORD_MAX
        }
    except (TypeError, KeyError):
        found = {entry["id"]: entry for entry in listed if _is_status(entry)}
    strangers = found.keys() - set(request.ids)
    for stranger in strangers:
        del found[stranger]
    if strangers:
        example = min(map(str, strangers))[:DETAIL_MAX]
        return found, Reason.INCOMPLETE, f"it speaks of jobs that nobody asked for, such as {example}"
    if len(found) != len(listed) and not all(map(_is_status, listed)):
        return found, Reason.INCOMPLETE, "an entry without id or status"
    if request.endpoint is Endpoint.SHOW_MANY:
        if _is_page(answer, len(listed)):
            return found, Reason.INCOMPLETE, "one page of several"
        if answer.get("error") or answer.get("errors"):
            return found, Reason.INCOMPLETE, "an error beside the list"
    return found, None, ""


def _is_page(answer: dict[str, Any], entries: int) -> bool:
    """By the offset or the cursor kind of pagination, or by a `count` of other than what is here."""
    meta = answer.get("meta")
    more = answer.get("next_page") or (isinstance(meta, dict) and meta.get("has_more"))
    return bool(more) or answer.get("count") not in (None, entries)


def _is_writable(entry: Any) -> bool:  # noqa: ANN401 - anything may stand in a reply
    try:
        orjson.dumps(entry)
    except TypeError:
        return False
    return True


def _is_status(entry: Any) -> bool:  # noqa: ANN401 - anything may stand in a reply
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("id"), str)
        and isinstance(entry.get("status"), str)
        and 0 < len(entry["status"]) <= STATUS_WORD_MAX
    )


def _excerpt(body: bytes) -> str:
    text = " ".join(body[: 4 * DETAIL_MAX].decode("utf-8", "replace").split())
    return text[:DETAIL_MAX] or "(empty)"


def rate_headers(headers: Mapping[str, str]) -> RateHeaders:
    """The limit from any of the spellings that were recorded, newest first. Anything unreadable counts as not told.

    A bucket of the endpoint's own counts where less remains of it than of the account's limit.
    """
    told = _account_wide(headers)
    buckets = [_bucket(value) for name, value in headers.items() if name.startswith(BUCKETS)]
    if not buckets:
        return told
    return min((one for one in (told, *buckets) if one.remaining is not None), key=_remaining, default=told)


def _remaining(rate: RateHeaders) -> int:
    return rate.remaining or 0


def _account_wide(headers: Mapping[str, str]) -> RateHeaders:
    return RateHeaders(
        limit=_count(headers, "ratelimit-limit", "rate-limit", "x-rate-limit"),
        remaining=_count(headers, "ratelimit-remaining", "rate-limit-remaining", "x-rate-limit-remaining"),
        reset_seconds=_count(headers, "ratelimit-reset", "rate-limit-reset", "x-rate-limit-reset"),
    )


def _bucket(value: str) -> RateHeaders:
    """`total=100; remaining=99; resets=41`"""
    fields = dict(part.strip().lower().partition("=")[::2] for part in value.split(";"))
    return RateHeaders(
        limit=_count(fields, "total"), remaining=_count(fields, "remaining"), reset_seconds=_count(fields, "resets")
    )


def _count(fields: Mapping[str, str], *names: str) -> int | None:
    for name in names:
        text = fields.get(name)
        match = None if text is None else WHOLE_NUMBER.fullmatch(text.strip())
        if match is not None:
            return int(match[1])
    return None


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """`Retry-After` as seconds from now: whole or broken seconds, or an HTTP date. None: absent or unreadable.

    A date is read against the reply's own `Date`, where there is one: their clock need not agree with ours.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        moment = _moment(value)
        if moment is None:
            return None
        theirs = _moment(headers.get("date", ""))
        seconds = moment - (now if theirs is None else theirs)
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX) if math.isfinite(seconds) else None


def _moment(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
