"""The kinds of values that configuration keys take, checked and made ready for use.

A validator raises ValueError with a sentence that begins with "must": what is allowed. The value is added by `faults`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from relay.config.faults import Fault, alternatives, broken
from relay.core.events import short_name, types_named
from relay.core.job import STATES, EventType, Outcome
from relay.core.signing import PUBLIC_KEY_PREFIX, SecretError, signer

YEAR_HOURS = 365 * 24
TERMINAL_EVENTS = frozenset(state.ends_with for state in STATES.values() if state.ends_with)

Item = TypeVar("Item")


def duplicates(values: Iterable[str]) -> Iterable[tuple[int, int]]:
    """(index, index of the first equal one) of every value that was there before."""
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if value in first:
            yield index, first[value]
        first.setdefault(value, index)


def unique(key: str) -> Callable[[tuple[Item, ...]], tuple[Item, ...]]:
    """A validator of a list of sections: no two have the same `key`."""

    def validate(items: tuple[Item, ...]) -> tuple[Item, ...]:
        faults = [
            Fault(path=(index, key), text=f"is also the {key} of [{first}]; each must have its own")
            for index, first in duplicates(getattr(item, key) for item in items)
        ]
        if faults:
            raise broken(faults)
        return items

    return validate


def matching(pattern: str, sentence: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def validate(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(sentence)
        return value

    return AfterValidator(validate)


def _headers(headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    faults = [Fault(path=(name,), text=text) for name, value in headers.items() for text in _header_faults(name, value)]
    if faults:
        raise broken(faults)
    return headers


def _header_faults(name: str, value: SecretStr) -> Iterable[str]:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", name):
        yield "is not a header name"
    elif name.lower() in _OWN_HEADERS:
        yield "is a header that relay sets itself"
    if not re.fullmatch(r"[\x20-\x7e]{0,4096}", value.get_secret_value()):
        yield "must be at most 4,096 visible ASCII characters on one line"


_OWN_HEADERS = {
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
}


def _signing_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text.startswith(PUBLIC_KEY_PREFIX):
        raise ValueError("must be the private key, whsk_…, where receivers have the public key, whpk_…")
    try:
        signer(text)
    except SecretError:
        raise ValueError(
            "must be whsec_ and 24 to 64 bytes in base64, or whsk_ and an ed25519 private key in base64,"
            " as `relay secret` prints them"
        ) from None
    return secret


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]{1,4096}", token.get_secret_value()):
        raise ValueError("must be visible ASCII characters without spaces")
    return token


def _api_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]{16,256}", key.get_secret_value()):
        raise ValueError("must be 16 to 256 visible ASCII characters without spaces")
    return key


def _event_types(value: object) -> object:
    """A list of names and patterns as event types; anything else is left for the type to refuse."""
    if not isinstance(value, list):
        return value
    chosen = [types_named(entry) if isinstance(entry, str) else frozenset() for entry in value]
    names = alternatives(["terminal", '"*"', *map(short_name, EventType)])
    faults = [Fault(path=(index,), text=f"must be {names}") for index, found in enumerate(chosen) if not found]
    if faults:
        raise broken(faults)
    return frozenset().union(*chosen)


Name = Annotated[
    str,
    matching(
        r"[a-z0-9][a-z0-9._-]{0,63}",
        'must be 1 to 64 of a-z, 0-9, ".", "_" and "-", and begin with a letter or a digit',
    ),
]
NamePattern = Annotated[
    str, matching(r"[a-z0-9._*?\[\]!-]{1,128}", "must be an account's name or a pattern such as acme-*")
]
TopicName = Annotated[str, matching(r"[A-Za-z0-9._-]{1,249}", 'must be 1 to 249 of letters, digits, ".", "_" and "-"')]

Headers = Annotated[Mapping[str, SecretStr], AfterValidator(_headers)]
FilePath = Annotated[str, Field(min_length=1, max_length=4096), matching(r"[^\0]*", "must be a path")]
Text = Annotated[str, Field(min_length=1, max_length=1024)]

Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096)]
Token = Annotated[SecretStr, AfterValidator(_token)]
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]
ApiKeySecret = Annotated[SecretStr, AfterValidator(_api_key)]

Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
Hours = Annotated[float, Field(gt=0, le=10 * YEAR_HOURS)]

Events = Annotated[frozenset[EventType], Field(min_length=1, max_length=len(EventType)), BeforeValidator(_event_types)]
Outcomes = Annotated[
    frozenset[Annotated[Outcome, Field(strict=False)]], Field(strict=False, min_length=1, max_length=4)
]
