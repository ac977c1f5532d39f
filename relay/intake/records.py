"""What a record of the intake topic says: a job to watch, or why it cannot be read."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Protocol

from relay.core.allowlist import Allowlist
from relay.core.job import TrackRequest
from relay.intake import bodies
from relay.intake.accounts import Directory
from relay.intake.problems import Code, Problem
from relay.intake.receiving import TRACEPARENT
from relay.kafka.reader import Message

VALUE_BYTES_MAX = 1024 * 1024


class Unreadable(NamedTuple):
    """A record that is no request. `detail`: for people."""

    message: Message
    code: Code
    detail: str


class Rules(Protocol):
    """What is configured now."""

    @property
    def directory(self) -> Directory: ...

    @property
    def callbacks(self) -> Allowlist: ...


def read(messages: Sequence[Message], rules: Rules) -> tuple[list[tuple[Message, TrackRequest]], list[Unreadable]]:
    """The requests, each with the record that it came in, and the records that cannot be read."""
    requests: list[tuple[Message, TrackRequest]] = []
    unreadable: list[Unreadable] = []
    for message in messages:
        try:
            requests.append((message, _request(message, rules)))
        except Problem as problem:
            detail = "; ".join(fault.detail for fault in problem.faults) or problem.detail
            unreadable.append(Unreadable(message, problem.code, detail))
    return requests, unreadable


def _request(message: Message, rules: Rules) -> TrackRequest:
    """Raises Problem."""
    value = message.value
    if message.garbled is not None:
        raise Problem(400, Code.INVALID_JSON, f"the record cannot be read: {message.garbled}")
    if value is None:
        raise Problem(400, Code.INVALID_JSON, "there is no value")
    if len(value) > VALUE_BYTES_MAX:
        raise Problem(
            413, Code.BODY_TOO_LARGE, f"the value has {len(value)} bytes; at most {VALUE_BYTES_MAX} are taken"
        )
    return bodies.parse_one(
        value,
        resolve=partial(rules.directory.resolve_record, message.key),
        callbacks=rules.callbacks,
        traceparent=_traceparent(message),
    )


def _traceparent(message: Message) -> str | None:
    """The W3C trace context's, where there is exactly one header of that name, and it is valid."""
    values = [value for name, value in message.headers if name == "traceparent" and value is not None]
    text = values[0].decode("ascii", "replace") if len(values) == 1 else ""
    return text if TRACEPARENT.fullmatch(text) else None
