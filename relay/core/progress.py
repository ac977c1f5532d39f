"""Whether a reader that has something to read gets on with it."""

from collections.abc import Mapping


class Progress:
    """Told now and then where it stands and where it could be. All times are monotonic seconds.

    A partition stands still from the first look at which there was more to read than before it had moved on.
    """

    def __init__(self) -> None:
        self._positions: dict[int, int] = {}
        self._still_since: dict[int, float] = {}

    def look(self, positions: Mapping[int, int], ends: Mapping[int, int], now: float) -> None:
        """Both by partition: what it reads next, and what comes after the last that there is."""
        for partition, position in positions.items():
            if position >= ends.get(partition, 0):
                self._still_since.pop(partition, None)
            elif position == self._positions.get(partition):
                self._still_since.setdefault(partition, now)
            else:
                self._still_since[partition] = now
        self._positions = dict(positions)

    def excuse(self) -> None:
        """It stands still for a reason that is known: the time until now does not count."""
        self._still_since.clear()

    def still_seconds(self, now: float) -> float:
        """Of the partition that has stood still for longest; 0 where none does."""
        return max((now - since for since in self._still_since.values()), default=0.0)
