"""That a sink stands still until somebody resumes it, in its form as a mark of the ledger."""

from dataclasses import dataclass

import orjson

from relay.core.standing import SinkState

MARK = "sink/"  # + the sink's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """`state`: PAUSED or DISABLED. `since`: seconds since the epoch; None: nobody knows. `error`: what was answered."""

    state: SinkState
    since: float | None = None
    error: str | None = None


UNREADABLE = Standstill(state=SinkState.PAUSED, error="its mark in the ledger cannot be read")


def mark_of(sink: str) -> str:
    """`sink`: a configured sink's name, or `callback` for all callbacks."""
    return f"{MARK}{sink}"


def encode(standstill: Standstill) -> bytes:
    return orjson.dumps({"state": standstill.state, "since": standstill.since, "error": standstill.error})


def decode(mark: bytes) -> Standstill:
    """What `encode` wrote. A mark that cannot be read still means that somebody wanted the sink to stand still."""
    try:
        fields = orjson.loads(mark)
        return Standstill(state=SinkState(fields["state"]), since=fields["since"], error=fields["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return UNREADABLE
