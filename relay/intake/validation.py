"""From what pydantic found to what a caller is told."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.intake.problems import Code, Fault

FAULTS_MAX = 3  # of one object; a body may hold a thousand of them
COUNTED_MAX = 50
SHOWN_MAX = 64


def faults(error: ValidationError, names: Sequence[str], index: int | None, prefix: str | None) -> Iterator[Fault]:
    """What is wrong with one object, by place.

    `names`: what the object may hold. `prefix`: JSON Pointer to the object; None: it is not in the body.
    """
    if error.error_count() > COUNTED_MAX:  # to look at each would hold up everybody else
        detail = f"{error.error_count()} faults in one object; allowed: {', '.join(names)}"
        yield Fault(index=index, pointer=prefix, code=Code.INVALID_FIELD, detail=detail)
        return
    found = error.errors(include_url=False, include_context=False, include_input=False)
    for each in found[:FAULTS_MAX]:
        place = [str(part)[: SHOWN_MAX + 1] for part in each["loc"] if part != "[key]"]
        detail = f"{'.'.join(part[:SHOWN_MAX] for part in place)}: {_explain(each, names)}".removeprefix(": ")
        yield Fault(index=index, pointer=_pointer(prefix, place), code=Code.INVALID_FIELD, detail=detail)


def _pointer(prefix: str | None, place: Iterable[str]) -> str | None:
    """A name too long to be shown is left out: the pointer ends at what holds it."""
    if prefix is None:
        return None
    shown = (part for part in place if len(part) <= SHOWN_MAX)
    return prefix + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in shown)


def _explain(error: ErrorDetails, names: Sequence[str]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return unknown(str(error["loc"][-1])[:SHOWN_MAX], tuple(names))
        case "missing":
            return "required"
        case "dict_type":
            return "must be an object"
        case _:
            return error["msg"][0].lower() + error["msg"][1:]


@lru_cache(maxsize=1024)
def unknown(name: str, allowed: Sequence[str]) -> str:
    """What to say about a name that nobody knows: the one that was probably meant, or all there are."""
    close = get_close_matches(name, allowed, n=1)
    return f"not known here; did you mean {close[0]}?" if close else f"not known here; allowed: {', '.join(allowed)}"
