"""Events as log lines, for trying relay and for setups whose log pipeline is the bus."""

from typing import Any, Protocol

import orjson

from relay.core.delivery import Attempt
from relay.core.events import CloudEvent


class Emit(Protocol):
    """A structured logger's `info`."""

    def __call__(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401 - log fields


class LogSink:
    """Writes one `event.published` line per event. A test event is about no job, so that most of it is empty."""

    def __init__(self, name: str, emit: Emit) -> None:
        self.name = name
        self._emit = emit

    def prepare(self, event: CloudEvent) -> CloudEvent:
        return event

    async def send(self, event: CloudEvent) -> Attempt:
        data = orjson.loads(event.data)
        self._emit(
            "event.published",
            sink=self.name,
            event_id=event.id,
            type=event.type,
            account=data.get("account"),
            job_id=data.get("job_id"),
            sequence=int(event.sequence),
            state=(data.get("job_status") or {}).get("status"),
            outcome=data.get("outcome"),
            items=data.get("items"),
            reason=data.get("reason"),
        )
        return Attempt()

    async def close(self) -> None:
        """Nothing is held."""
