"""A log in which every line tells which partition it is about."""

from typing import Any

from relay.shard.ports import Log


class PartitionLog:
    """See shard.ports.Log."""

    def __init__(self, log: Log, partition: int) -> None:
        self._log = log
        self._partition = partition

    def debug(self, event: str, /, **fields: Any) -> None:  # noqa: ANN401 - log fields, here and below
        self._log.debug(event, partition=self._partition, **fields)

    def info(self, event: str, /, **fields: Any) -> None:  # noqa: ANN401
        self._log.info(event, partition=self._partition, **fields)

    def warning(self, event: str, /, **fields: Any) -> None:  # noqa: ANN401
        self._log.warning(event, partition=self._partition, **fields)

    def error(self, event: str, /, **fields: Any) -> None:  # noqa: ANN401
        self._log.error(event, partition=self._partition, **fields)
