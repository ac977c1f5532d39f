"""What comes in and what goes out, without a socket: the HTTP face only carries these values over the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
_PAGE = b"<!DOCTYPE html><html><head><title>%d</title></head><body><h1>Something went wrong</h1></body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. `path` and `query` are decoded; `base_url` is the address that the caller used.

    `body`: JSON, or a form where the endpoint takes one (`/oauth/tokens`); told apart by its first character.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    authorization: str | None = None
    body: bytes = b""
    base_url: str = "https://example.zendesk.com"

    @property
    def target_bytes(self) -> int:
        """About how long path and query are on the wire."""
        return len(self.path) + sum(len(name) + len(value) + 2 for name, value in self.query.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response, sent after `delay_seconds`.

    `drip_seconds`: its body trickles in over this long. `cut_after`: bytes of the body after which the connection
    breaks, though Content-Length promises all of it.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drip_seconds: float = 0.0
    cut_after: int | None = None

    def with_headers(self, headers: Mapping[str, str]) -> "Answer":
        """Its own count more than these."""
        # Every answer passes here: a third of the price of dataclasses.replace.
        return Answer(
            status=self.status,
            body=self.body,
            content_type=self.content_type,
            headers={**headers, **self.headers},
            delay_seconds=self.delay_seconds,
            drip_seconds=self.drip_seconds,
            cut_after=self.cut_after,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup:
    """The connection is reset before the first byte of a response."""


Reply = Answer | Hangup


def json_answer(status: int, document: object, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body=orjson.dumps(document), headers=headers or {})


def error_answer(status: int, error: str, description: str | None = None, **fields: Any) -> Answer:  # noqa: ANN401 - JSON
    """Zendesk's usual error object: `{"error", "description", …}`."""
    document = {"error": error} if description is None else {"error": error, "description": description}
    return json_answer(status, document | fields)


def page_answer(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as the HTML page of a proxy or an edge."""
    return Answer(status=status, body=_PAGE % status, content_type=HTML, headers=headers or {})
