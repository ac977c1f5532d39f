"""Whether the process should live and be sent requests: liveness follows progress, not the process."""

from collections.abc import Callable, Sequence

STALLED_SECONDS = 60.0


class Health:
    """`monotonic`: the clock's. Loops report by `beat`; `loaded` and `draining` are set by whoever starts and stops."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._beats: dict[str, float] = {}
        self.loaded = False
        self.draining = False

    def beat(self, loop: str) -> None:
        """This loop has finished an iteration, successful or not."""
        self._beats[loop] = self._monotonic()

    def forget(self, loop: str) -> None:
        """This loop has ended, as it should."""
        self._beats.pop(loop, None)

    def live(self) -> Sequence[str]:
        """Why the process should be restarted. An outage of disk, Zendesk or sinks is no reason: loops go on."""
        if self.draining:
            return []
        now = self._monotonic()
        stalled = sorted(loop for loop, at in self._beats.items() if now - at > STALLED_SECONDS)
        return [f"{loop} has made no progress for {STALLED_SECONDS:.0f} s" for loop in stalled]

    def ready(self) -> Sequence[str]:
        """Why no requests should be sent here for now."""
        if self.draining:
            return ["draining"]
        return [] if self.loaded else ["the ledger is being loaded"]
