"""Signs of life of the loops of one partition, which come and go with it."""

from relay.replica.ports import Beat


class Beats:
    """To be called with a loop's name; told on under one that carries the partition. See ports.Surroundings."""

    def __init__(self, partition: int, *, beat: Beat, forget: Beat) -> None:
        self._partition = partition
        self._beat = beat
        self._forget = forget
        self._names: set[str] = set()

    def __call__(self, loop: str) -> None:
        name = f"{loop}/{self._partition}"
        self._names.add(name)
        self._beat(name)

    def end(self) -> None:
        """Nobody misses them any more. Idempotent."""
        for name in self._names:
            self._forget(name)
        self._names.clear()
