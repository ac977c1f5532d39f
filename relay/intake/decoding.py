"""Strict JSON (RFC 8259, read as I-JSON, RFC 7493): what two readers could understand differently is refused."""

import json
from typing import Any

import orjson

from relay.intake.problems import Code, Problem


def decode(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    """The value of a body. Raises Problem 400 `invalid_json`.

    Refused: other encodings than UTF-8, NaN and infinities, lone surrogates, duplicate keys, more than 254 levels.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _unreadable(f"{error}" if raw else "it is empty") from None
    try:
        again = orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise _unreadable("it is nested too deeply") from None
    # A key that was given twice has been dropped, and with it at least one colon. Only an escaped colon, `\u003a`, in
    # another place could make up for it; so the exact and slow look is needed almost never.
    if raw.count(b":") != again.count(b":") or b"\\u003" in raw:
        json.loads(raw, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    return value


def _unique(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _unreadable(f"the key {key[:64]!r} stands twice in one object")
        seen.add(key)


def _unreadable(why: str) -> Problem:
    return Problem(400, Code.INVALID_JSON, f"the body cannot be read as JSON: {why}")
