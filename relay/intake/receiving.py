"""Reading what a client sends: what the head says is checked before the body is read, and the body as it comes."""

import asyncio
import re
from functools import lru_cache

from aiohttp import HttpVersion11, hdrs, web

from relay.intake.gate import Bounds, Submission
from relay.intake.problems import Code, Problem

# https://www.w3.org/TR/trace-context/#traceparent-header, in the form of version 00
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
JSON_TYPE = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*', re.IGNORECASE)
USE_JSON = "send JSON with the header `Content-Type: application/json` (curl: use --json instead of -d)"


async def body_of(request: web.Request, submission: Submission, bounds: Bounds) -> bytes:
    """The whole body. Raises Problem 400, 408, 413 or 415, and Unavailable."""
    check_head(request, bounds)
    try:
        if request.content.is_eof():
            return _arrived(request, submission, bounds)
        async with asyncio.timeout(bounds.body_seconds):
            await _invite(request)
            return await _read(request, submission, bounds)
    except TimeoutError:
        # The closed list has no word for this one; `overloaded` says what to do: try again
        raise Problem(408, Code.OVERLOADED, f"the body took longer than {bounds.body_seconds:g} s") from None
    except web.RequestPayloadError as error:
        raise Problem(400, Code.INVALID_JSON, f"the body broke off: {error}") from None


async def wait_for_invitation(_: web.Request) -> None:
    """What to do at once about a head that says `Expect: 100-continue`: nothing, the call may not want the body."""


async def _invite(request: web.Request) -> None:
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun


async def _read(request: web.Request, submission: Submission, bounds: Bounds) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        submission.hold(len(chunk))
        body += chunk
        if len(body) > bounds.body_bytes:
            raise _too_large(bounds)
    return bytes(body)


def _arrived(request: web.Request, submission: Submission, bounds: Bounds) -> bytes:
    """The body that came with the head, as most do."""
    body = request.content.read_nowait()
    submission.hold(len(body))
    if len(body) > bounds.body_bytes:
        raise _too_large(bounds)
    return body


def check_head(request: web.Request, bounds: Bounds) -> None:
    """Raises Problem: 400 without a body, 413 when it is announced as too large, 415 when it is not plain JSON."""
    if not request.body_exists:
        raise Problem(400, Code.INVALID_JSON, "there is no body")
    headers = request.headers
    encoding = headers.get(hdrs.CONTENT_ENCODING, "identity")
    if encoding.lower() != "identity":
        detail = f"the content encoding {encoding[:64]} is not taken; send the body as it is"
        raise Problem(415, Code.UNSUPPORTED_MEDIA_TYPE, detail, headers={hdrs.ACCEPT_ENCODING: "identity"})
    media_type = headers.get(hdrs.CONTENT_TYPE, "")
    if not _is_json(media_type):
        detail = f"{media_type[:64]} is not taken; {USE_JSON}" if media_type else USE_JSON
        raise Problem(415, Code.UNSUPPORTED_MEDIA_TYPE, detail, headers={hdrs.ACCEPT: "application/json"})
    if (request.content_length or 0) > bounds.body_bytes:
        raise _too_large(bounds)


@lru_cache(maxsize=128)
def _is_json(media_type: str) -> bool:
    return JSON_TYPE.fullmatch(media_type) is not None


def _too_large(bounds: Bounds) -> Problem:
    return Problem(413, Code.BODY_TOO_LARGE, f"at most {bounds.body_bytes} bytes are taken; send several requests")


def traceparent_of(request: web.Request) -> str | None:
    """The W3C trace context's `traceparent` where there is exactly one, and it is valid."""
    value = request.headers.get("traceparent")
    if value is None or len(request.headers.getall("traceparent")) > 1:
        return None
    return value if TRACEPARENT.fullmatch(value) else None
