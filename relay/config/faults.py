"""What is wrong with a configuration, told in sentences for the person who wrote it.

Every fault names its key; none shows a secret. What is allowed comes from the models' own JSON schema, so that a bound
is stated once, where it is enforced.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel
from pydantic_core import ErrorDetails, PydanticCustomError

KeyPath = tuple[str | int, ...]
Schema = Mapping[str, Any]

SHOWN_CHARACTERS_MAX = 80
_BROKEN = "broken"
_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "boolean": "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`text`: a sentence that follows the key. One that begins with "must" still lacks the value that is there."""

    path: KeyPath
    text: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.text}" if self.path else self.text


class Show(Protocol):
    def __call__(self, path: KeyPath, *, secret: bool) -> str:
        """The value at the path as an error may print it; `secret`: not itself."""


def broken(faults: Iterable[Fault]) -> PydanticCustomError:
    """The error by which a validator reports faults; their paths are relative to what it validates."""
    return PydanticCustomError(_BROKEN, "breaks a rule", {"faults": tuple(faults)})


def dotted(path: KeyPath) -> str:
    """`accounts[0].rate.share`"""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def printable(value: object) -> str:
    """The value in short and on one line; a URL without its user, password and query."""
    match value:
        case dict():
            return "a mapping"
        case list():
            return f"a list of {len(value)}"
        case str() if "://" in value:
            value = re.sub(r"\?.*", "?***", re.sub(r"//[^/]*@", "//***@", value), flags=re.DOTALL)
            return _quoted(value)
        case str():
            return _quoted(value)
        case bool() | None:
            return json.dumps(value)
        case _:
            return str(value)


def _quoted(text: str) -> str:
    text = text[:SHOWN_CHARACTERS_MAX]
    return json.dumps(text, ensure_ascii=not text.isprintable())


def alternatives(choices: Iterable[str]) -> str:
    """`a, b or c`"""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


class Translator:
    """Turns pydantic's errors about one model into faults."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._schema = model.model_json_schema()

    def key(self, error: ErrorDetails) -> tuple[KeyPath, bool]:
        """The key that the error is about, and whether it takes null."""
        place = self._locate(error["loc"])
        return place.path, place.nullable

    def faults(self, error: ErrorDetails, show: Show) -> list[Fault]:
        loc = error["loc"]
        if error["type"] == _BROKEN:
            told = [((*loc, *fault.path), fault.text) for fault in error["ctx"]["faults"]]
        elif error["type"].startswith("union_tag"):
            kinds = self._locate(loc).schema["discriminator"]["mapping"]
            verb = "must be" if error["type"] == "union_tag_invalid" else "is required:"
            told = [((*loc, "kind"), f"{verb} {alternatives(kinds)}")]
        else:
            told = [(loc, self._sentence(error))]
        return [self._complete(where, text, show) for where, text in told]

    def _complete(self, loc: KeyPath, text: str, show: Show) -> Fault:
        place = self._locate(loc)
        if text.startswith("must "):
            text += f", not {show(place.path, secret=not _is_plain(place.schema))}"
        return Fault(path=place.path, text=text)

    def _sentence(self, error: ErrorDetails) -> str:
        match error["type"]:
            case "missing":
                return "is required"
            case "extra_forbidden":
                return self._unknown_key(error["loc"])
            case "value_error":
                return str(error["ctx"]["error"])
            case "string_type" if isinstance(error["input"], (bool, int, float)):
                return "must be text (in quotes)"
            case _:
                place = self._locate(error["loc"])
                return f"must be {_allowed(place.schema)}" + (", or null" if place.nullable else "")

    def _unknown_key(self, loc: KeyPath) -> str:
        known = list(self._locate(loc[:-1]).schema["properties"])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        return "is not a known key; " + (f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}")

    def _locate(self, loc: KeyPath) -> "_Place":
        place = _Place((), *self._resolve(self._schema))
        for part in loc:
            kinds = place.schema.get("discriminator", {}).get("mapping", {})
            if part in kinds:
                place = _Place(place.path, *self._resolve({"$ref": kinds[part]}))
            else:
                place = _Place((*place.path, part), *self._resolve(_step(place.schema, part)))
        return place

    def _resolve(self, schema: Schema) -> tuple[Schema, bool]:
        """Follows references and steps out of `X | None`; tells whether null is allowed."""
        nullable = False
        while "$ref" in schema or "anyOf" in schema:
            if "$ref" in schema:
                schema = self._schema["$defs"][schema["$ref"].rpartition("/")[2]]
            else:
                schema, nullable = schema["anyOf"][0], True
        return schema, nullable


class _Place(NamedTuple):
    """A key without the tags of unions that pydantic puts into its locations; {} where the models know no such key."""

    path: KeyPath
    schema: Schema
    nullable: bool


def _is_plain(schema: Schema) -> bool:
    """Whether what stands here may be printed. Text in place of a section or a list may be a secret gone astray."""
    return schema.get("type") in {"string", "number", "integer", "boolean"} and not schema.get("writeOnly")


def _step(schema: Schema, part: str | int) -> Schema:
    if isinstance(part, int):
        found = schema.get("items")
    elif part == schema.get("discriminator", {}).get("propertyName"):
        found = {"type": "string"}
    else:
        found = schema.get("properties", {}).get(part) or schema.get("additionalProperties")
    return found if isinstance(found, Mapping) else {}


def _allowed(schema: Schema) -> str:
    match schema:
        case {"enum": choices}:
            return alternatives(choices)
        case {"type": "number" | "integer"}:
            return _number(schema)
        case {"minItems": low, "maxItems": high}:
            return f"a list of {low:,} to {high:,} values"
        case {"minLength": low, "maxLength": high}:
            return f"text of {low:,} to {high:,} characters"
        case {"type": kind}:
            return _TYPES[kind]
        case _:  # one of several sections
            return _TYPES["object"]


def _number(schema: Schema) -> str:
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    match schema:
        case {"minimum": low, "maximum": high}:
            return f"{noun} from {low:,.10g} to {high:,.10g}"
        case {"exclusiveMinimum": low, "maximum": high}:
            return f"{noun} above {low:,.10g}, up to {high:,.10g}"
        case {"minimum": low, "exclusiveMaximum": high}:
            return f"{noun} from {low:,.10g}, below {high:,.10g}"
        case _:
            return noun
