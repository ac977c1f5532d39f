"""That sinks were asked to stand still, or to go on, as long as the images do not show it."""

from collections.abc import Mapping

from relay.core.commands import Pause, Resume

Halt = Pause | Resume


class Halts:
    """The newest of each sink. Bounded, as the configured sinks are."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[Halt, Mapping[int, int]]] = {}

    def put(self, halt: Halt, offsets: Mapping[int, int]) -> None:
        """`offsets`: of the records that ask for it, by partition."""
        self._asked[halt.sink] = halt, offsets

    def find(self, sink: str, partition: int) -> Halt | None:
        """What is asked for and not shown."""
        halt, offsets = self._asked.get(sink, (None, {}))
        return halt if partition in offsets else None

    def shown(self, reached: Mapping[int, int]) -> None:
        """The images show what stands before these offsets, by partition."""
        for sink, (halt, offsets) in tuple(self._asked.items()):
            unseen = {number: offset for number, offset in offsets.items() if offset >= reached.get(number, 0)}
            if unseen:
                self._asked[sink] = halt, unseen
            else:
                del self._asked[sink]
