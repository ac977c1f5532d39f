"""Which of two forms a reader of events wants, from the `Accept` header (RFC 9110, section 12.5.1)."""

import re
from typing import NamedTuple

EVENT_STREAM = "text/event-stream"
JSON_RANGES = ("*/*", "application/*", "application/json")  # the later, the more specific
QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)


class Preference(NamedTuple):
    """The greater, the more it is wanted."""

    quality: float
    specificity: int
    earliness: int


def wants_stream(accept: str) -> bool:
    """Whether live events are preferred to a page, which is also what anyone gets who accepts neither.

    Only who names the stream gets one: a wildcard means a page.
    """
    stream, page = Preference(0, 0, 0), Preference(0, 0, 0)
    for number, element in enumerate(accept.split(",")):
        media_range = element.partition(";")[0].strip().lower()
        if media_range == EVENT_STREAM:
            stream = max(stream, Preference(_quality(element), len(JSON_RANGES), -number))
        elif media_range in JSON_RANGES:
            page = max(page, Preference(_quality(element), JSON_RANGES.index(media_range) + 1, -number))
    return stream.quality > 0 and stream > page


def _quality(element: str) -> float:
    found = QUALITY.search(element)
    return 1.0 if found is None else float(found[1])
