"""Points in time as callers write them."""

import re
from datetime import datetime

SECONDS = re.compile(r"\d{1,11}(\.\d{1,9})?", re.ASCII)
# In a query string, a plus that was not escaped arrives as a space
UNESCAPED_OFFSET = re.compile(r" (?=\d\d:\d\d$)", re.ASCII)


def moment(text: str) -> float:
    """Seconds since the epoch, of RFC 3339 with its offset, or of such seconds themselves.

    Raises ValueError: it is neither, or before 1970.
    """
    if SECONDS.fullmatch(text):
        return float(text)
    stated = datetime.fromisoformat(UNESCAPED_OFFSET.sub("+", text.upper()))
    if stated.tzinfo is None:
        raise ValueError("without a time of day and an offset, it is not clear when that is")
    try:
        seconds = stated.timestamp()
    except OverflowError:
        seconds = -1.0
    if seconds < 0:
        raise ValueError("it is before 1970")
    return seconds
