"""Whether Kafka can be reached, told to the log once per change and not at every try."""

from typing import Any, Protocol

from relay.kafka.failures import ADVICE, KafkaFailure


class Log(Protocol):
    """A structured logger."""

    def info(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401 - log fields

    def warning(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401

    def error(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401


class Reachability:
    """`client`: who reaches for it, as the log names it. `failure`: why it cannot be reached now; None: it can."""

    def __init__(self, *, client: str, log: Log) -> None:
        self._client = client
        self._log = log
        self.failure: KafkaFailure | None = None

    def lost(self, failure: KafkaFailure) -> None:
        if self.failure is None:
            self._log.warning(
                "kafka.unavailable",
                client=self._client,
                reason=failure.reason,
                error=failure.detail,
                advice=ADVICE.get(failure.reason),
            )
        self.failure = failure

    def found(self) -> None:
        if self.failure is not None:
            self._log.info("kafka.available", client=self._client)
        self.failure = None
