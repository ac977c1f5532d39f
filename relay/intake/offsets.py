"""How far the intake topic has been read, as marks in the ledger: recorded together with the jobs, the only truth."""

from collections.abc import Mapping
from uuid import UUID

from relay.kafka.topics import Topic

MARK = "intake/"  # + topic/partition: the offset to be read next; + topic/id: of the topic that was read


class Offsets:
    """`saved`: by partition, what is to be read next, as it is recorded. `marks`: all that the ledger has."""

    def __init__(self, topic: str, marks: Mapping[str, bytes]) -> None:
        self._prefix = f"{MARK}{topic}/"
        own = {name.removeprefix(self._prefix): value for name, value in marks.items() if name.startswith(self._prefix)}
        self._id = UUID(bytes=own.pop("id")) if "id" in own else None
        self.saved = {int(partition): int(offset) for partition, offset in own.items()}

    def replaced(self, topic: Topic) -> bool:
        """Whether this is another topic than the one that was read: it was deleted, and made anew."""
        return topic.id is not None and self._id is not None and topic.id != self._id

    def identify(self, topic: Topic) -> Mapping[str, bytes | None]:
        """The marks to record when it begins to be read; what is known of another of that name goes."""
        known = range(0 if self.replaced(topic) else topic.partitions)
        marks: dict[str, bytes | None] = {
            f"{self._prefix}{partition}": None for partition in self.saved if partition not in known
        }
        if topic.id is not None and topic.id != self._id:
            marks[f"{self._prefix}id"] = topic.id.bytes
        return marks

    def identified(self, topic: Topic) -> None:
        """These marks are recorded."""
        known = range(0 if self.replaced(topic) else topic.partitions)
        self.saved = {partition: offset for partition, offset in self.saved.items() if partition in known}
        self._id = topic.id or self._id

    def moved(self, positions: Mapping[int, int]) -> Mapping[str, bytes | None]:
        """The marks to record for these positions."""
        return {
            f"{self._prefix}{partition}": str(offset).encode()
            for partition, offset in positions.items()
            if self.saved.get(partition) != offset
        }
