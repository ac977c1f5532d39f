"""Events as Kafka records, by the Kafka binding of CloudEvents: https://github.com/cloudevents/spec (v1.0.2)."""

from relay.core.delivery import Attempt
from relay.core.events import STRUCTURED_CONTENT_TYPE, CloudEvent, binary, structured
from relay.core.webhook import excerpt
from relay.errors import Reason
from relay.kafka.failures import ADVICE, AWAY
from relay.kafka.producer import Record
from relay.kafka.publisher import NotPublished, Publisher

AGAIN_AFTER_SECONDS = 1.0


class KafkaSink:
    """One topic. `publisher`: shared with others, and closed by its owner. `in_binary`: else structured mode."""

    def __init__(self, publisher: Publisher, *, topic: str, in_binary: bool) -> None:
        self._publisher = publisher
        self._topic = topic
        self._in_binary = in_binary

    def prepare(self, event: CloudEvent) -> CloudEvent:
        return event

    async def send(self, event: CloudEvent) -> Attempt:
        try:
            await self._publisher.publish(record_of(event, topic=self._topic, in_binary=self._in_binary))
        except NotPublished as failure:
            return _attempt(failure)
        return Attempt()

    async def close(self) -> None:
        """Nothing is held."""


def record_of(event: CloudEvent, *, topic: str, in_binary: bool) -> Record:
    """The record that this event is. `in_binary`: else in structured mode."""
    key = event.partitionkey.encode()
    if in_binary:
        return Record(topic=topic, key=key, value=event.data, headers=binary(event))
    headers = [("content-type", STRUCTURED_CONTENT_TYPE.encode())]
    return Record(topic=topic, key=key, value=structured(event), headers=headers)


def _attempt(failure: NotPublished) -> Attempt:
    """A broker that is away costs no attempt, and is tried again until the delivery is too old."""
    if failure.reason in AWAY:
        detail = f"{failure.reason}: {excerpt(failure.detail)}"
        return Attempt(reason=Reason.UNAVAILABLE, detail=detail, retry_after_seconds=AGAIN_AFTER_SECONDS)
    advice = ADVICE.get(failure.reason)
    return Attempt(reason=failure.reason, detail="; ".join(filter(None, (excerpt(failure.detail), advice))))
