"""What the ledger publishes with what it records, and when it does not even try.

A transaction that fails because of a topic of messages costs its partition a new producer. So a topic that has refused
is left alone for a while, and so is a message of a size that it has refused.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from relay.core.events import CloudEvent
from relay.core.record import Message
from relay.errors import NotPublishable, Reason
from relay.kafka.failures import ADVICE
from relay.kafka.producer import Record
from relay.ledger.kafka.batches import MESSAGES_BYTES_MAX, room_for, size_of
from relay.ledger.kafka.producer import NotPublished
from relay.ledger.kafka.topics import RECORD_BYTES_MAX

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 1.0, 60.0
SIZE_SECONDS = 600.0  # then the topic may have been told to take larger ones

Render = Callable[[CloudEvent], Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Until then, in the event loop's time, the topic is not written to. `seconds`: how long that is in all."""

    until: float
    seconds: float
    failure: NotPublished


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Until then, in the event loop's time, messages of so many bytes or more are not tried."""

    until: float
    size: int


class Publishing:
    """One for all partitions, since they share the topics. `sinks`: by name, the record that an event becomes."""

    def __init__(self, sinks: Mapping[str, Render]) -> None:
        self._sinks = sinks
        self._pauses: dict[str, Pause] = {}
        self._limits: dict[str, Limit] = {}

    def records_of(self, messages: Sequence[Message]) -> Sequence[Record]:
        """Raises NotPublishable: it is not worth a try."""
        records = self._rendered(messages)
        if records:
            now = asyncio.get_running_loop().time()
            self._check_topics({record.topic for record in records}, now)
            refusal = self._too_large(messages, records, now)
            if refusal is not None:
                raise refusal
        return records

    def _rendered(self, messages: Sequence[Message]) -> Sequence[Record]:
        return [self._sinks[message.sink](message.event) for message in messages]

    def _check_topics(self, topics: Collection[str], now: float) -> None:
        for topic in topics:
            pause = self._pauses.get(topic)
            if pause is not None and now < pause.until:
                raise _not_publishable(pause.failure)

    def _too_large(self, messages: Sequence[Message], records: Sequence[Record], now: float) -> NotPublishable | None:
        too_large = [
            (message.event.id, record)
            for message, record in zip(messages, records, strict=True)
            if room_for(record) >= (limit := self._limit(record.topic, now)) and size_of(record) >= limit
        ]
        if not too_large:
            return None
        _, record = too_large[0]
        detail = f"topic {record.topic}: takes no message of {size_of(record)} bytes; {ADVICE[Reason.REFUSED]}"
        return NotPublishable(detail, Reason.REFUSED, frozenset(event for event, _ in too_large))

    def _limit(self, topic: str, now: float) -> int:
        limit = self._limits.get(topic)
        return RECORD_BYTES_MAX if limit is None or limit.until <= now else limit.size

    def published(self, records: Sequence[Record]) -> None:
        """Their topics are well."""
        for topic in self._pauses.keys() & {record.topic for record in records}:
            del self._pauses[topic]

    def refused(self, messages: Sequence[Message], failure: NotPublished) -> NotPublishable:
        """These have been tried, and failed: what to raise."""
        now, topic, records = asyncio.get_running_loop().time(), failure.topic, self._rendered(messages)
        largest = max(size_of(record) for record in records if record.topic == topic)
        if failure.reason is Reason.REFUSED and largest > MESSAGES_BYTES_MAX:  # it was sent alone
            self._limits[topic] = Limit(until=now + SIZE_SECONDS, size=largest)
            return self._too_large(messages, records, now) or _not_publishable(failure)
        last = self._pauses.get(topic)
        seconds = PAUSE_SECONDS_MIN if last is None else min(2 * last.seconds, PAUSE_SECONDS_MAX)
        self._pauses[topic] = Pause(until=now + seconds, seconds=seconds, failure=failure)
        return _not_publishable(failure)


def _not_publishable(failure: NotPublished) -> NotPublishable:
    advice = ADVICE.get(failure.reason)
    return NotPublishable("; ".join(filter(None, (failure.detail, advice))), failure.reason)
