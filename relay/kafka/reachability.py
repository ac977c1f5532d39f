"""Whether Kafka can be reached, told to the log once per change and not at every try."""

from typing import Any, Protocol

from relay.kafka.failures import describe, reason_of


class Log(Protocol):
    """A structured logger."""

    def info(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401 - log fields

    def warning(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401


class Reachability:
    """`client`: who reaches for it, `producer` or `intake`."""

    def __init__(self, *, client: str, log: Log) -> None:
        self._client = client
        self._log = log
        self.trouble: BaseException | None = None

    def lost(self, error: BaseException) -> None:
        if self.trouble is None:
            self._log.warning("kafka.unavailable", client=self._client, reason=reason_of(error), error=describe(error))
        self.trouble = error

    def found(self) -> None:
        if self.trouble is not None:
            self._log.info("kafka.available", client=self._client)
        self.trouble = None
