"""Events as CloudEvents 1.0: deterministic ids, one rendering, two encodings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """One event as it leaves the process. `data` is the JSON object of EVENTS.md; the rest are context attributes."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    partitionkey: str
    sequence: str
    data: bytes
    traceparent: str | None = None
