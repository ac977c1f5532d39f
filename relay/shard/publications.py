"""To which of its sinks the ledger publishes with whatever it records, and how that goes."""

from collections import Counter
from collections.abc import Callable, Collection

from relay.core.record import Message
from relay.errors import NotPublishable, Reason
from relay.shard.ports import Log, Metrics


class Publications:
    """To one that has refused, or stands still, only its courier publishes, by what it finds owed.

    `source`: by account, the CloudEvents source of its events.
    """

    def __init__(self, *, source: Callable[[str], str], metrics: Metrics, log: Log) -> None:
        self.source = source
        self._metrics = metrics
        self._log = log
        self._held: set[str] = set()
        self._refusing: set[str] = set()

    def may(self, sink: str) -> bool:
        """Whether an event may be published in the commit by which it becomes owed."""
        return sink not in self._held and sink not in self._refusing

    def hold(self, sink: str) -> None:
        """Until it is let go: a person wants it to stand still. Idempotent."""
        self._held.add(sink)

    def let_go(self, sink: str) -> None:
        """Idempotent."""
        self._held.discard(sink)

    def published(self, messages: Collection[Message], seconds: float) -> None:
        """These have been recorded, which took so long."""
        counts = Counter([message.sink for message in messages])
        for sink, count in counts.items():
            self._metrics.delivery(sink, "delivered", seconds, count)
        for sink in self._refusing & counts.keys():
            self._refusing.discard(sink)
            self._log.info("ledger.publishable", sink=sink)

    def refused(self, messages: Collection[Message], refusal: NotPublishable, seconds: float) -> None:
        """These have not."""
        if refusal.too_large:
            messages = [message for message in messages if message.event.id in refusal.too_large]
        for message in messages:
            outcome = refusal.reason if refusal.too_large else Reason.UNAVAILABLE
            self._metrics.delivery(message.sink, outcome, seconds)
        if not refusal.too_large:
            for sink in {message.sink for message in messages} - self._refusing:
                self._refusing.add(sink)
                self._log.warning("ledger.unpublishable", sink=sink, error=str(refusal))
