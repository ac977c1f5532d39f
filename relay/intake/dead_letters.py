"""Where records go that cannot be read: to a topic of their own, as they came, with the reason in their headers."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from relay.errors import Reason
from relay.intake.records import FORWARDED, Unreadable
from relay.kafka.producer import Record
from relay.kafka.publisher import NotPublished

DETAIL_CHARACTERS_MAX = 1_000
OWN = ("relay.error.", "relay.source.", FORWARDED)  # a dead letter that was sent in again gets them anew


class Publish(Protocol):
    async def __call__(self, record: Record) -> object:
        """Return when it is acknowledged. Raises NotPublished."""


class DeadLetters:
    """`source`: the topic that they were read from."""

    def __init__(self, publish: Publish, *, topic: str, source: str) -> None:
        self._publish = publish
        self._topic = topic
        self._source = source

    async def bury(self, unreadable: Sequence[Unreadable]) -> None:
        """Return when all are acknowledged. Raises NotPublished: some may be; to send them again does no harm."""
        results = await asyncio.gather(*map(self._bury, unreadable), return_exceptions=True)
        for failure in results:
            if isinstance(failure, BaseException):
                raise failure

    async def _bury(self, one: Unreadable) -> None:
        try:
            await self._publish(self._record(one))
        except NotPublished as failure:
            if failure.reason is not Reason.REFUSED:
                raise
            await self._publish(self._without_body(one))

    def _record(self, one: Unreadable) -> Record:
        headers: list[tuple[str, bytes | None]] = [
            *(header for header in one.message.headers if not header[0].startswith(OWN)),
            ("relay.error.code", one.code.encode()),
            ("relay.error.detail", one.detail[:DETAIL_CHARACTERS_MAX].encode("utf-8", "replace")),
            ("relay.source.topic", self._source.encode()),
            ("relay.source.partition", str(one.message.partition).encode()),
            ("relay.source.offset", str(one.message.offset).encode()),
        ]
        key, value = one.message.key, one.message.value
        if key is None and value is None:  # which aiokafka does not write
            value = b""
        return Record(topic=self._topic, key=key, value=value, headers=headers)

    def _without_body(self, one: Unreadable) -> Record:
        """It was as large as a record may be, and with the reason it is too large: the reason says where it is."""
        whole = self._record(one)
        own = [header for header in whole.headers if header[0].startswith(OWN)]
        return Record(topic=self._topic, key=None, value=b"", headers=own)
