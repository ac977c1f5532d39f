"""What a record of the intake topic says: a job to watch, a command, or why it cannot be read. How jobs are written."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import orjson

from relay.core import commands
from relay.core.allowlist import ANY_HOST, AllowedHost, Allowlist
from relay.core.commands import Command
from relay.core.job import EMPTY_METADATA, TrackRequest
from relay.errors import Undecipherable
from relay.intake import bodies
from relay.intake.accounts import Directory
from relay.intake.problems import Code, Problem
from relay.intake.receiving import TRACEPARENT
from relay.kafka.reader import Message

VALUE_BYTES_MAX = 1024 * 1024
TRACE = "traceparent"
ACCEPTED = "relay.accepted"
"""A header: relay's API has taken this, and said so. Nothing that is configured is held against it any more: another
replica may know a host of callbacks, of which this one will hear soon. Whoever delivers looks again.
"""

FORWARDED = "relay.forwarded"
"""A header: it stood in another partition than its account's, and was sent on."""

ANY_CALLBACK = Allowlist([AllowedHost(pattern=ANY_HOST, allow_http=True, allow_private=True)])
SHARING_A_COMMIT = "untrack"

Headers = Sequence[tuple[str, bytes | None]]


class Unreadable(NamedTuple):
    """A record that is no request. `detail`: for people."""

    message: Message
    code: Code
    detail: str


class Wish(NamedTuple):
    """A record that asks for a job to be watched."""

    message: Message
    request: TrackRequest

    @property
    def account(self) -> str:
        return self.request.account

    @property
    def accepted(self) -> bool:
        """It came by relay's API, which has counted it."""
        return _has(self.message, ACCEPTED)


class Order(NamedTuple):
    """A record that holds a command."""

    message: Message
    command: Command

    @property
    def account(self) -> str | None:
        """Whose; None: it is about a sink."""
        return self.command.account if isinstance(self.command, commands.OfAccount) else None


class Contents(NamedTuple):
    """What some records say."""

    wishes: Sequence[Wish] = ()
    orders: Sequence[Order] = ()
    unreadable: Sequence[Unreadable] = ()


class Rules(Protocol):
    """What is configured now."""

    @property
    def directory(self) -> Directory: ...

    @property
    def callbacks(self) -> Allowlist: ...


def written(request: TrackRequest) -> tuple[bytes, Headers]:
    """The value and the headers of a record that asks for this, which the API has accepted."""
    item: dict[str, Any] = {"account": request.account, "id": request.id}
    if request.metadata != EMPTY_METADATA:
        item["metadata"] = orjson.Fragment(request.metadata)
    if request.callback_url is not None:
        item["callback_url"] = request.callback_url
    trace = [] if request.traceparent is None else [(TRACE, request.traceparent.encode())]
    return orjson.dumps(item), [(ACCEPTED, b"1"), *trace]


def steps(
    messages: Sequence[Message], reached: Mapping[int, int]
) -> Iterator[tuple[Sequence[Message], Mapping[int, int]]]:
    """What was read in parts that are recorded one after another, each with what comes next, by partition.

    A part holds jobs, or one command, or several to stop watching a job. `reached`: what comes next after all of it.
    """
    parts = [list(part) for _, part in groupby(messages, key=_kind)] or [[]]
    passed: dict[int, int] = {}
    for part in parts[:-1]:
        passed |= {message.partition: message.offset + 1 for message in part}
        yield part, dict(passed)
    yield parts[-1], reached


def _kind(message: Message) -> object:
    """The same for records that may be recorded together."""
    if not _has(message, commands.HEADER):
        return None
    kind = _value_of(message, commands.HEADER)
    return kind if kind == SHARING_A_COMMIT else (message.partition, message.offset)


def read(messages: Sequence[Message], rules: Rules) -> Contents:
    """Each with the record that it came in."""
    wishes: list[Wish] = []
    orders: list[Order] = []
    unreadable: list[Unreadable] = []
    for message in messages:
        try:
            if _has(message, commands.HEADER):
                orders.append(Order(message, _command(message)))
            else:
                wishes.append(Wish(message, _request(message, rules)))
        except Problem as problem:
            detail = "; ".join(fault.detail for fault in problem.faults) or problem.detail
            unreadable.append(Unreadable(message, problem.code, detail))
    return Contents(wishes, orders, unreadable)


def _command(message: Message) -> Command:
    """Raises Problem."""
    try:
        return commands.decode(_value_of(message, commands.HEADER) or "", _body(message))
    except Undecipherable as error:
        raise Problem(422, Code.INVALID_FIELD, str(error)) from None


def _request(message: Message, rules: Rules) -> TrackRequest:
    """Raises Problem."""
    trace = _value_of(message, TRACE) or ""
    return bodies.parse_one(
        _body(message),
        resolve=partial(rules.directory.resolve_record, message.key),
        callbacks=ANY_CALLBACK if _has(message, ACCEPTED) else rules.callbacks,
        traceparent=trace if TRACEPARENT.fullmatch(trace) else None,
    )


def _body(message: Message) -> bytes:
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
    return value


def _has(message: Message, header: str) -> bool:
    # Mostly there are none.
    return bool(message.headers) and any(name == header for name, _ in message.headers)


def _value_of(message: Message, header: str) -> str | None:
    """Where there is exactly one header of that name, and it has a value."""
    values = [value for name, value in message.headers if name == header and value is not None]
    return values[0].decode("ascii", "replace") if len(values) == 1 else None
